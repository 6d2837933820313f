package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	root, binary, keep string
	length             time.Duration
	rate               int
	inside             bool
}

func run() error {
	var o options
	flag.StringVar(&o.root, "root", ".", "the repository")
	flag.StringVar(&o.binary, "rmmwatch", "./rmmwatch", "the program")
	flag.StringVar(&o.keep, "keep", "", "leave logs, alerts and queues in this folder")
	flag.DurationVar(&o.length, "time", time.Hour, "how long, both runs together; a minute at least")
	flag.IntVar(&o.rate, "rate", 6000, "packets a second")
	flag.BoolVar(&o.inside, "inside", false, "the namespace is there already")
	flag.Parse()
	switch {
	case flag.NArg() > 0 || o.rate < 100 || o.rate > 200_000:
		return errors.New("no arguments, and -rate from 100 to 200000")
	case o.length < time.Minute:
		return errors.New("-time of less than a minute shows nothing")
	case os.Geteuid() != 0:
		return errors.New("network namespaces need root")
	case !o.inside:
		return enter()
	}
	return soak(o)
}

// enter starts the program again in a network namespace of its own, which ends
// with it.
func enter() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, append([]string{"-inside"}, os.Args[1:]...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGTERM}
	var failed *exec.ExitError
	if err := cmd.Run(); errors.As(err, &failed) {
		return errors.New("failed, see above")
	} else if err != nil {
		return fmt.Errorf("a network namespace: %w", err)
	}
	return nil
}

// cable makes eth0 and peer, its other end. Without IPv6 nothing but the soak
// puts packets on it.
func cable() error {
	for _, which := range []string{"all", "default"} {
		os.WriteFile("/proc/sys/net/ipv6/conf/"+which+"/disable_ipv6", []byte("1"), 0) // absent without IPv6
	}
	for _, args := range []string{"link set lo up", "link add eth0 mtu 65535 type veth peer name peer mtu 65535", "link set peer up", "link set eth0 up"} {
		if err := ip(args); err != nil {
			return err
		}
	}
	return nil
}

func soak(o options) error {
	dir := o.keep
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "rmmwatch-soak"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	if err := cable(); err != nil {
		return err
	}
	mix := filepath.Join(dir, "mix.pcap")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	gen := exec.Command("go", "run", "./pcaps/gen", "mix", "-o", mix, "-size", "16MB", "-flows", "3000")
	gen.Dir = o.root
	if out, err := gen.CombinedOutput(); err != nil {
		return fmt.Errorf("pcaps/gen mix: %w\n%s", err, out)
	}
	paths, err := bundled(o.root)
	if err != nil {
		return err
	}
	frames, err := loadFrames(append(paths, mix))
	if err != nil {
		return err
	}
	var errs []error
	for _, shunt := range []string{"on", "off"} {
		r := runner{dir: filepath.Join(dir, "shunt-"+shunt), shunt: shunt, o: o, frames: frames}
		if err := r.run(); err != nil {
			errs = append(errs, fmt.Errorf("with the shunt %s: %w", shunt, err))
		}
	}
	return errors.Join(errs...)
}
