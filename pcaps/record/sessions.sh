# shellcheck shell=bash
# Sourced, after lib.sh, by the scripts that record a session from idle to in use to idle. Their cable is the program
# cable, which keeps the first packets of a flow whole and of the rest the headers, and needs no packet filter, but Go. Whoever
# drives is hands.py: it types and moves the mouse at a person's irregular pace. Real software, no real person.
need python3 xdotool xterm tigervnc-standalone-server xvfb

idle_before=${IDLE_BEFORE:-60}
in_use=${IN_USE:-75}
idle_after=${IDLE_AFTER:-150}

# hosts makes the two namespaces, joined by the cable. hosts NAME records what crosses to NAME.pcap.
hosts() {
    need iproute2 procps
    local ns
    for ns in rmmw-a rmmw-b; do
        ip netns del "$ns" 2>/dev/null || true
        ip netns add "$ns"
    done
    (cd "$record_dir" && go build -o "$work/cable" ./cable)
    "$work/cable" -w "$work/$1.pcap" >>"$work/log" 2>&1 &
    tcpdump_pid=$!
    wait_for ip link show rmmw-veth-b
    for ns in a b; do
        ip link set "rmmw-veth-$ns" netns "rmmw-$ns"
        ip netns exec "rmmw-$ns" sysctl -q -w net.ipv6.conf.all.disable_ipv6=1
        ip -n "rmmw-$ns" link set lo up
        ip -n "rmmw-$ns" link set "rmmw-veth-$ns" up
    done
    ip -n rmmw-a addr add "$client/24" dev rmmw-veth-a
    ip -n rmmw-b addr add "$server/24" dev rmmw-veth-b
}

# finish_capture NAME ends the recording and keeps it.
finish_capture() {
    kill -INT "$tcpdump_pid" && wait "$tcpdump_pid" || true
    install -m 644 "$work/$1.pcap" "$pcaps_dir/$1.pcap"
    ls -l "$pcaps_dir/$1.pcap"
}

# phase TEXT says when, in seconds since the cable was joined, something began: what the tests hold sessions against.
began=$SECONDS
phase() { echo "$(date +%s.%N) $((SECONDS - began)) s: $*" | tee -a "$work/phases" >&2; }

# desktop DISPLAY starts a desktop on the server: a terminal that fills the screen, served as VNC on port 5900+DISPLAY.
desktop() {
    start on_server Xtigervnc ":$1" -rfbport $((5900 + $1)) -SecurityTypes None -geometry 800x600 -depth 24 -AlwaysShared
    wait_for listens $((5900 + $1))
    start on_server env DISPLAY=":$1" xterm -geometry 130x44+0+0 +bc -e bash --norc --noprofile
}

# viewer DISPLAY COMMAND... shows a viewer on the client's own screen, where hands.py finds mouse and keyboard.
viewer() {
    local display=$1
    shift
    start on_client Xvfb ":$display" -screen 0 800x600x24
    wait_for test -S "/tmp/.X11-unix/X$display"
    DISPLAY=":$display" HOME="$work" start on_client "$@"
}

# play COMMAND... leaves the session alone, works in it, and leaves it alone.
play() {
    phase "connected"
    sleep "$idle_before"
    phase "in use"
    "$@"
    phase "left alone"
    sleep "$idle_after"
    phase "ended"
}
