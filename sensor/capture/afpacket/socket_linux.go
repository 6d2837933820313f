package afpacket

import (
	"errors"
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// retireMillis is after how long the kernel hands over a block that is not
// full, in milliseconds: below waitMillis, so that a call that waited in vain
// means that the ring is empty.
const retireMillis = 50

// everything of ETH_P_ALL, in network byte order, as bind wants it.
const everything = uint16(unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8)

// nothing is the filter that a socket has until it is set up: so not one frame
// gets into the ring that was meant for another socket of the fanout group or
// that the real filter would have dropped, and nothing needs to be flushed.
var nothing = []bpf.RawInstruction{{Op: unix.BPF_RET | unix.BPF_K}}

// newSocket makes a packet socket that receives nothing yet. Only this needs
// CAP_NET_RAW.
func newSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	switch {
	case errors.Is(err, unix.EPERM):
		return -1, fmt.Errorf("a packet socket needs CAP_NET_RAW: run as root or with AmbientCapabilities=CAP_NET_RAW: %w", err)
	case errors.Is(err, unix.EAFNOSUPPORT):
		return -1, fmt.Errorf("this kernel has no packet sockets (CONFIG_PACKET): %w", err)
	case err != nil:
		return -1, fmt.Errorf("a packet socket: %w", err)
	}
	return fd, nil
}

// newRing gives a socket a ring of about size bytes and maps it.
func newRing(fd, size int) ([]byte, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return nil, fmt.Errorf("this kernel has no TPACKET_V3 (Linux 3.2): %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_RESERVE, vlanTag); err != nil {
		return nil, fmt.Errorf("room for VLAN tags: %w", err)
	}
	blocks := size / blockSize
	// Frames of a version 3 ring have any length: the size of a frame is only
	// checked for plausibility.
	req := unix.TpacketReq3{
		Block_size: blockSize, Block_nr: uint32(blocks),
		Frame_size: blockSize, Frame_nr: uint32(blocks),
		Retire_blk_tov: retireMillis,
	}
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return nil, fmt.Errorf("the kernel gives no ring of %d MiB: take a smaller one: %w", size>>20, err)
	}
	mem, err := unix.Mmap(fd, 0, blocks*blockSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &unix.TpacketReq3{}) // frees it
		return nil, fmt.Errorf("mapping a ring of %d MiB: %w", size>>20, err)
	}
	return mem, nil
}

// join starts the capture of a socket that has a ring, and returns the
// interface's link type. It can be repeated after an error.
func join(fd int, c *Config) (link uint32, err error) {
	if err := setFilter(fd, nothing); err != nil {
		return 0, fmt.Errorf("a filter: %w", err)
	}
	index, err := interfaceIndex(fd, c.Interface)
	if err != nil {
		return 0, err
	}
	if c.IgnoreOutgoing {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
			return 0, fmt.Errorf("outgoing frames cannot be ignored (Linux 4.20 can): %w", err)
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: index}); err != nil {
		return 0, fmt.Errorf("binding to the interface: %w", err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return 0, fmt.Errorf("asking for the link type: %w", err)
	}
	if ll, ok := sa.(*unix.SockaddrLinklayer); ok {
		if link, err = linkType(ll.Hatype); err != nil {
			return 0, err
		}
	}
	if c.Rings > 1 {
		if err := fanout(fd, c); err != nil {
			return 0, err
		}
	}
	if c.Promiscuous {
		// Unlike IFF_PROMISC it ends with the socket, whatever becomes of us.
		m := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC}
		if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m); err != nil {
			return 0, fmt.Errorf("promiscuous mode: %w", err)
		}
	}
	return link, nil
}

// setFilter replaces what filters the socket, a classic or an eBPF program, in
// one step. No program: no filter.
func setFilter(fd int, program []bpf.RawInstruction) error {
	if len(program) == 0 {
		err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
		if errors.Is(err, unix.ENOENT) { // there was none
			return nil
		}
		return err
	}
	code := make([]unix.SockFilter, len(program))
	for i, ins := range program {
		code[i] = unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
}

func interfaceIndex(fd int, name string) (int, error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return 0, fmt.Errorf("no interface has a name like that: %w", err)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr); err != nil {
		return 0, fmt.Errorf("there is no such interface: %w", err)
	}
	return int(ifr.Uint32()), nil
}

// isUp reports whether an interface of that name is there and up.
func isUp(fd int, name string) bool {
	ifr, err := unix.NewIfreq(name)
	if err != nil || unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, ifr) != nil {
		return false
	}
	return ifr.Uint16()&unix.IFF_UP != 0
}

// isGone reports whether the interface that a socket was bound to was removed.
// The kernel notes that at the socket, so an interface that was made anew
// under the same name and number is no riddle.
func isGone(fd int) bool {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return true
	}
	ll, ok := sa.(*unix.SockaddrLinklayer)
	return !ok || ll.Ifindex <= 0
}
