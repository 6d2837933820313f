#!/usr/bin/env python3
"""Types commands and moves the mouse at a person's irregular pace, from a fixed seed.

usage: hands.py SECONDS xdotool          into the X display of DISPLAY
       hands.py SECONDS pty COMMAND...   into the terminal of a command that it starts, and then ends
"""
import os, pty, random, signal, subprocess, sys, threading, time

LINES = ["ls -l /usr/lib", "cat /etc/os-release", "ps aux | head -40", "df -h", "ls /etc | head -60", "whoami", "date", "env", "id; hostname"]
rnd = random.Random(20261123)


def work(seconds, key, mouse):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for c in rnd.choice(LINES) + "\n":
            key(c)
            time.sleep(rnd.lognormvariate(-1.8, 0.5))  # some 170 ms, now and then a second
        time.sleep(rnd.uniform(0.8, 3))
        if mouse:
            mouse()
            time.sleep(rnd.uniform(0.3, 2))


def xdotool():
    names = {" ": "space", "-": "minus", "/": "slash", "|": "bar", ";": "semicolon", "\n": "Return"}

    def mouse():
        at = [rnd.randint(50, 700), rnd.randint(50, 500)]
        for _ in range(rnd.randint(10, 60)):
            at = [max(5, a + rnd.randint(-12, 14)) for a in at]
            subprocess.run(["xdotool", "mousemove", str(at[0]), str(at[1])], check=False)
            time.sleep(0.02)

    return lambda c: subprocess.run(["xdotool", "key", names.get(c, c)], check=False), mouse


seconds = float(sys.argv[1])
if sys.argv[2] == "xdotool":
    work(seconds, *xdotool())
else:
    child, fd = pty.fork()
    if child == 0:
        os.execvp(sys.argv[3], sys.argv[3:])

    def drain():
        try:
            while os.read(fd, 4096):
                pass
        except OSError:
            pass

    threading.Thread(target=drain, daemon=True).start()
    time.sleep(5)
    work(seconds, lambda c: os.write(fd, c.encode()), None)
    time.sleep(float(os.environ.get("IDLE_AFTER", "150")) if os.environ.get("STAY") else 0)
    os.kill(child, signal.SIGTERM)
