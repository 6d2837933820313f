package shunt

import (
	"encoding/binary"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"
)

// wire makes a network namespace of the test's own with a veth pair and returns
// the interface indices of its ends. The test's goroutine keeps its thread, which
// ends with it and takes the namespace along.
func wire(t testing.TB) (from, to int) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		unable(t, fmt.Errorf("no network namespace of our own: %w", err))
	}
	// Neither end may say anything by itself.
	for _, conf := range []string{"all", "default"} {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+conf+"/disable_ipv6", []byte("1"), 0); err != nil && !os.IsNotExist(err) {
			unable(t, err)
		}
	}
	for _, args := range [][]string{
		{"link", "add", "name", "v0", "type", "veth", "peer", "name", "v1"},
		{"link", "set", "dev", "v0", "arp", "off", "up"},
		{"link", "set", "dev", "v1", "arp", "off", "up"},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			unable(t, fmt.Errorf("ip %v: %w: %s", args, err, out))
		}
	}
	return index(t, "v0"), index(t, "v1")
}

func index(t testing.TB, name string) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, req); err != nil {
		t.Fatal(err)
	}
	return int(req.Uint32())
}

// packetSocket opens a raw socket on an interface. With s it has the program
// before it sees the first packet.
func packetSocket(t testing.TB, ifindex int, s *Shunt) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		unable(t, fmt.Errorf("no packet socket: %w", err))
	}
	t.Cleanup(func() { unix.Close(fd) })
	to := &unix.SockaddrLinklayer{Ifindex: ifindex}
	if s != nil {
		if err := s.Attach(fd); err != nil {
			t.Fatal(err)
		}
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20); err != nil {
			unable(t, err)
		}
		to.Protocol = htons(unix.ETH_P_ALL)
	}
	if err := unix.Bind(fd, to); err != nil {
		t.Fatal(err)
	}
	return fd
}

func htons(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}

// settled waits until the program has seen n frames on all sockets.
func settled(t *testing.T, s *Shunt, n int) Stats {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		st, err := s.Stats()
		if err != nil {
			t.Fatal(err)
		}
		if st.Passed+st.Dropped >= uint64(n) {
			return st
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d frames sent, after 30 s: %+v", n, st)
		}
		time.Sleep(time.Millisecond)
	}
}

// drain reads all that a socket holds, and fails where it lost something.
func drain(t *testing.T, fd int) (frames [][]byte) {
	t.Helper()
	buf := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err == unix.EAGAIN {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, append([]byte{}, buf[:n]...))
	}
	st, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		t.Fatal(err)
	}
	if st.Drops != 0 {
		t.Fatalf("the socket lost %d packets", st.Drops)
	}
	return frames
}

// traffic is a shuffled mix of many flows with some of everything that passes,
// with the payload bytes and packets of each flow and direction as sent.
func traffic(t *testing.T, n, flows int) (frames [][]byte, sent map[Key]*Counts) {
	t.Helper()
	r := rand.New(rand.NewSource(7))
	sent = map[Key]*Counts{}
	for range n {
		sp := spec{six: r.Intn(4) == 0, back: r.Intn(2) == 0, udp: r.Intn(3) == 0, flags: 16, payload: make([]byte, 1+r.Intn(1200))}
		sp.ports = [2]uint16{uint16(20000 + r.Intn(flows)), 443}
		switch r.Intn(20) {
		case 0:
			sp.flags = []byte{17, 4, 18}[r.Intn(3)]
		case 1:
			sp.payload[0] = 0xc0
		case 2:
			sp.fragment = true
		case 3, 4, 5:
			sp.tags = []layers.EthernetType{0x8100}
		case 6:
			sp.tags = []layers.EthernetType{0x88a8, 0x8100}
		case 7:
			sp.tags = []layers.EthernetType{0x88a8, 0x8100, 0x8100} // the kernel takes one off
		case 8:
			sp.payload = sp.payload[:1]
		}
		frame := build(t, sp)
		frames = append(frames, frame)
		plain := sp
		if len(sp.tags) > 0 {
			plain.tags = nil
		}
		if m := judge(build(t, plain)); m.key != (Key{}) {
			book(sent, m)
		}
	}
	return frames, sent
}

func book(to map[Key]*Counts, m seen) {
	c := to[m.key]
	if c == nil {
		c = &Counts{}
		to[m.key] = c
	}
	c.Packets[m.dir]++
	c.Bytes[m.dir] += m.payload
}

// What is sent over a wire is what the sockets got and what was counted, to the
// packet and to each flow's byte in each direction: one socket, and two that
// share the packets as a fanout group and the flows through the map.
func TestLive(t *testing.T) {
	for _, sockets := range []int{1, 2} {
		t.Run(fmt.Sprint(sockets), func(t *testing.T) {
			s := open(t, Config{Flows: 1000})
			from, to := wire(t)
			out := packetSocket(t, from, nil)
			var in []int
			for range sockets {
				fd := packetSocket(t, to, s)
				if sockets > 1 {
					if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT, 77|unix.PACKET_FANOUT_HASH<<16); err != nil {
						t.Fatal(err)
					}
				}
				in = append(in, fd)
			}
			frames, sent := traffic(t, 6000, 40)
			half := len(frames) / 2
			transmit(t, out, frames[:half])
			settled(t, s, half)
			shunted := map[Key]bool{}
			i := 0
			for k := range sent {
				if i++; i%3 != 0 { // two flows of three
					if err := s.Add(k); err != nil {
						t.Fatal(err)
					}
					shunted[k] = true
				}
			}
			transmit(t, out, frames[half:])
			st := settled(t, s, len(frames))
			got, each := map[Key]*Counts{}, []int{}
			n := 0
			for _, fd := range in {
				received := drain(t, fd)
				each = append(each, len(received))
				n += len(received)
				for _, frame := range received {
					if m := judge(frame); m.key != (Key{}) {
						book(got, m)
					}
				}
			}
			if n+int(st.Dropped) != len(frames) || uint64(n) != st.Passed || st.Dropped < uint64(half)/3 {
				t.Errorf("%d sent, %d received, %+v", len(frames), n, st)
			}
			t.Logf("received %v, %+v", each, st)
			for _, n := range each {
				if n < len(frames)/20 {
					t.Errorf("the fanout does not spread: %v", each)
				}
			}
			account(t, s, sent, got, shunted)
		})
	}
}

// account holds, for every flow, what was sent against what user space saw and
// what the kernel counted.
func account(t *testing.T, s *Shunt, sent, got map[Key]*Counts, shunted map[Key]bool) {
	t.Helper()
	for k, want := range sent {
		c, ok := s.Take(k)
		if again, _ := s.Remove(k); again != c {
			t.Errorf("%+v: Take says %+v, Remove %+v", k, c, again)
		}
		if ok != shunted[k] || ok && c.Packets == [2]uint64{} {
			t.Errorf("%+v: in the map %v, %+v", k, ok, c)
		}
		if seen := got[k]; seen != nil {
			for dir := range c.Packets {
				c.Packets[dir] += seen.Packets[dir]
				c.Bytes[dir] += seen.Bytes[dir]
			}
		}
		if c.Packets != want.Packets || c.Bytes != want.Bytes {
			t.Errorf("%+v: seen and counted %+v, sent %+v", k, c, want)
		}
	}
}

func transmit(t *testing.T, fd int, frames [][]byte) {
	t.Helper()
	for _, frame := range frames {
		for {
			_, err := unix.Write(fd, frame)
			if err == nil {
				break
			}
			if err != unix.EAGAIN && err != unix.ENOBUFS {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
	}
}
