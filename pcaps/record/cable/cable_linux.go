// Command cable joins two hosts of a recording and writes down what crosses: two TAP interfaces, each to be moved into
// the network namespace of a host, and a pcap file. Unlike tcpdump it needs no packet filter of the kernel, holds
// each frame back for as long as a real path would, and can keep the first packets of a flow whole and of the rest
// only the headers, so that minutes of a desktop fit into a small file.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	a, b := flag.String("a", "rmmw-veth-a", "the client's interface"), flag.String("b", "rmmw-veth-b", "the server's")
	out := flag.String("w", "", "the pcap file")
	whole := flag.Int("whole", 30, "how many packets of a flow are kept whole")
	snap := flag.Int("snap", 70, "how many bytes of the others")
	delay := flag.Duration("delay", 5*time.Millisecond, "how long the cable takes, one way")
	flag.Parse()
	if err := run(*a, *b, &recording{whole: *whole, snap: *snap, seen: make(map[[13]byte]int)}, *out, *delay); err != nil {
		fmt.Fprintln(os.Stderr, "cable:", err)
		os.Exit(1)
	}
}

func run(a, b string, r *recording, out string, delay time.Duration) error {
	taps := [2]*os.File{}
	for i, name := range []string{a, b} {
		tap, err := openTAP(name)
		if err != nil {
			return fmt.Errorf("interface %s: %w", name, err)
		}
		taps[i] = tap
	}
	file, err := os.Create(out)
	if err != nil {
		return err
	}
	r.file = file
	header := []byte{0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0} // nanoseconds, Ethernet
	if _, err := file.Write(header); err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- r.carry(taps[0], taps[1], delay) }()
	go func() { failed <- r.carry(taps[1], taps[0], delay) }()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, unix.SIGINT, unix.SIGTERM)
	select {
	case err = <-failed:
	case <-stop:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := file.Close(); err == nil {
		err = e
	}
	return err
}

// openTAP makes an interface of whole frames that ends with the process.
func openTAP(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	req, err := unix.NewIfreq(name)
	if err != nil {
		return nil, err
	}
	req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// frame is one on its way.
type frame struct {
	at   time.Time
	data []byte
}

// carry takes frames from one end to the other, in order.
func (r *recording) carry(from, to *os.File, delay time.Duration) error {
	path := make(chan frame, 4096)
	go func() {
		for f := range path {
			time.Sleep(time.Until(f.at))
			to.Write(f.data) // an interface that is not up loses frames, as cables do
		}
	}()
	defer close(path)
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return err
		}
		data := append([]byte(nil), buf[:n]...)
		now, err := r.write(data)
		if err != nil {
			return err
		}
		path <- frame{now.Add(delay), data}
	}
}

// recording is the pcap file.
type recording struct {
	mu          sync.Mutex
	file        *os.File
	whole, snap int
	seen        map[[13]byte]int
}

// write writes down an IPv4 frame, and returns when it entered the cable.
func (r *recording) write(data []byte) (time.Time, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := time.Now()
	if len(data) < 34 || binary.BigEndian.Uint16(data[12:]) != 0x0800 {
		return at, nil
	}
	kept := data
	if key := flowOf(data); r.seen[key] >= r.whole {
		kept = data[:min(len(data), r.snap)]
	} else {
		r.seen[key]++
	}
	h := binary.LittleEndian.AppendUint32(nil, uint32(at.Unix()))
	h = binary.LittleEndian.AppendUint32(h, uint32(at.Nanosecond()))
	h = binary.LittleEndian.AppendUint32(h, uint32(len(kept)))
	h = binary.LittleEndian.AppendUint32(h, uint32(len(data)))
	_, err := r.file.Write(append(h, kept...))
	return at, err
}

// flowOf is the five-tuple of a frame, the lower end first.
func flowOf(data []byte) (key [13]byte) {
	ip := data[14:]
	n := int(ip[0]&15) * 4
	var ends [2][6]byte
	copy(ends[0][:4], ip[12:])
	copy(ends[1][:4], ip[16:])
	if len(ip) >= n+4 {
		copy(ends[0][4:], ip[n:n+2])
		copy(ends[1][4:], ip[n+2:n+4])
	}
	if string(ends[0][:]) > string(ends[1][:]) {
		ends[0], ends[1] = ends[1], ends[0]
	}
	copy(key[:], ends[0][:])
	copy(key[6:], ends[1][:])
	key[12] = ip[9]
	return key
}
