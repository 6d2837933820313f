//go:build linux

package afpacket

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// tun makes an interface of a hardware type, whose frames are what is written to the
// descriptor that is returned.
func tun(t *testing.T, name string, hardware int) int {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		skipOrFail(t, "an interface of another type: ", err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETLINK, hardware); err != nil {
		t.Fatal(err)
	}
	return fd
}

// Link types of interfaces: the kernel gives the hardware type, the frames are what was written.
func TestLinkTypes(t *testing.T) {
	packet := udp(1, 2, 1000, 2000, "raw")[14:]
	for hardware, link := range map[int]uint32{
		unix.ARPHRD_NONE: 101, unix.ARPHRD_RAWIP: 101, unix.ARPHRD_SIT: 101,
		unix.ARPHRD_IEEE80211: 105, unix.ARPHRD_IEEE80211_PRISM: 119, unix.ARPHRD_IEEE80211_RADIOTAP: 127,
	} {
		namespace(t)
		fd := tun(t, "tun0", hardware)
		run(t, "ip link set tun0 up")
		r := open(t, Config{Interface: "tun0", RingBytes: MinRing})
		if _, err := unix.Write(fd, packet); err != nil {
			t.Fatal(err)
		}
		all := drain(t, r, func(g []got) bool { return len(g) > 0 })
		if len(all) != 1 || all[0].Link != link || !bytes.Equal(all[0].data, packet) {
			t.Errorf("hardware type %d: %+v, want link type %d", hardware, all, link)
		}
	}
	namespace(t)
	tun(t, "tun0", unix.ARPHRD_INFINIBAND)
	if _, err := Open(Config{Interface: "tun0", RingBytes: MinRing}); err == nil || !strings.HasPrefix(err.Error(), "tun0: its hardware type 32 (InfiniBand) is not read") {
		t.Error(err)
	}
}

// The loopback is Ethernet with addresses of zero, and shows each frame as it leaves and as it comes.
func TestLoopback(t *testing.T) {
	namespace(t)
	run(t, "ip link set lo up")
	r, in := open(t, Config{Interface: "lo"}), open(t, Config{Interface: "lo", IgnoreOutgoing: true})
	f := ethernet(nil, "to myself")
	newSender(t, "lo", false).send(t, f)
	expect(t, r, [][]byte{f, f})
	expect(t, in, [][]byte{f})
}
