package doctor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"syscall"

	"golang.org/x/sys/unix"
)

// Netlink answers for the network namespace of the thread; /sys would answer for
// the one in which it was mounted.

// askLink asks the kernel for an interface (rtnetlink(7)).
func askLink(name string) link {
	l := link{name: name}
	raw, err := syscall.NetlinkRIB(syscall.RTM_GETLINK, syscall.AF_UNSPEC)
	if err != nil {
		l.err = fmt.Errorf("netlink: %w", err)
		return l
	}
	messages, err := syscall.ParseNetlinkMessage(raw)
	if err != nil {
		l.err = fmt.Errorf("netlink: %w", err)
		return l
	}
	for _, m := range messages {
		if m.Header.Type == syscall.RTM_NEWLINK && len(m.Data) >= unix.SizeofIfInfomsg && l.read(m.Data) {
			l.found = true
			return l
		}
	}
	return l
}

// read takes what an answer of RTM_GETLINK says, and reports whether that is about
// the interface.
func (l *link) read(data []byte) bool {
	got := link{name: l.name}
	named := false
	got.up = binary.NativeEndian.Uint32(data[8:])&unix.IFF_UP != 0
	for typ, v := range attributes(data[unix.SizeofIfInfomsg:]) {
		switch {
		case typ == unix.IFLA_IFNAME:
			named = unix.ByteSliceToString(v) == l.name
		case typ == unix.IFLA_MTU && len(v) >= 4:
			got.mtu = int(binary.NativeEndian.Uint32(v))
		case typ == unix.IFLA_CARRIER && len(v) >= 1:
			got.carrier = v[0] != 0
		case typ == unix.IFLA_LINKINFO:
			for typ, v := range attributes(v) {
				if typ == unix.IFLA_INFO_KIND {
					got.kind = unix.ByteSliceToString(v)
				}
			}
		case typ == unix.IFLA_STATS64 && len(v) >= 16*8: // struct rtnl_link_stats64, linux/if_link.h
			at := func(i int) uint64 { return binary.NativeEndian.Uint64(v[8*i:]) }
			got.packets, got.dropped, got.fifo, got.missed = at(0), at(6), at(14), at(15)
		}
	}
	if named {
		*l = got
	}
	return named
}

// attributes yields type and value of each attribute. What is cut ends it.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofNlAttr {
			n := int(binary.NativeEndian.Uint16(b))
			if n < unix.SizeofNlAttr || n > len(b) {
				return
			}
			if !yield(binary.NativeEndian.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[unix.SizeofNlAttr:n]) {
				return
			}
			b = b[min(len(b), (n+3)&^3):]
		}
	}
}

// attribute appends one.
func attribute(dst []byte, typ uint16, value []byte) []byte {
	dst = binary.NativeEndian.AppendUint16(dst, uint16(unix.SizeofNlAttr+len(value)))
	dst = binary.NativeEndian.AppendUint16(dst, typ)
	dst = append(dst, value...)
	return append(dst, make([]byte, -len(dst)&3)...)
}

// askOffloads returns the features of an interface that are on, and those that
// can be changed, by the generic
// netlink family ethtool (Documentation/networking/ethtool-netlink.rst), which
// needs no right and no unsafe. It is there from Linux 5.6 on.
func askOffloads(name string) (on, changeable []string, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_GENERIC)
	if err != nil {
		return nil, nil, fmt.Errorf("generic netlink: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}); err != nil {
		return nil, nil, fmt.Errorf("generic netlink: %w", err)
	}
	answer, err := ask(fd, unix.GENL_ID_CTRL, unix.CTRL_CMD_GETFAMILY, attribute(nil, unix.CTRL_ATTR_FAMILY_NAME, []byte("ethtool\x00")))
	if errors.Is(err, unix.ENOENT) {
		return nil, nil, errors.New("this kernel has no netlink for ethtool (Linux 5.6)")
	}
	if err != nil {
		return nil, nil, err
	}
	var family uint16
	for typ, v := range attributes(answer) {
		if typ == unix.CTRL_ATTR_FAMILY_ID && len(v) >= 2 {
			family = binary.NativeEndian.Uint16(v)
		}
	}
	header := attribute(nil, unix.ETHTOOL_A_HEADER_DEV_NAME, append([]byte(name), 0))
	answer, err = ask(fd, family, unix.ETHTOOL_MSG_FEATURES_GET, attribute(nil, unix.ETHTOOL_A_FEATURES_HEADER|unix.NLA_F_NESTED, header))
	if err != nil {
		return nil, nil, err
	}
	for typ, v := range attributes(answer) {
		switch typ {
		case unix.ETHTOOL_A_FEATURES_ACTIVE:
			on = bits(v)
		case unix.ETHTOOL_A_FEATURES_HW:
			changeable = bits(v)
		}
	}
	if on == nil {
		return nil, nil, errors.New("the kernel's answer has no features")
	}
	return on, changeable, nil
}

// bits are the names of the bits that are set in a bitset. One without a mask lists
// only those, one with a mask says of each whether it is set.
func bits(set []byte) (names []string) {
	masked := true
	for typ := range attributes(set) {
		masked = masked && typ != unix.ETHTOOL_A_BITSET_NOMASK
	}
	for typ, list := range attributes(set) {
		if typ != unix.ETHTOOL_A_BITSET_BITS {
			continue
		}
		for _, bit := range attributes(list) {
			name, isSet := "", !masked
			for typ, v := range attributes(bit) {
				switch typ {
				case unix.ETHTOOL_A_BITSET_BIT_NAME:
					name = unix.ByteSliceToString(v)
				case unix.ETHTOOL_A_BITSET_BIT_VALUE:
					isSet = true
				}
			}
			if isSet {
				names = append(names, name)
			}
		}
	}
	return names
}

// ask sends one request of generic netlink and returns the attributes of the
// answer.
func ask(fd int, family uint16, command uint8, attrs []byte) ([]byte, error) {
	const sequence = 1
	b := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+unix.GENL_HDRLEN+len(attrs)))
	b = binary.NativeEndian.AppendUint16(b, family)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST)
	b = binary.NativeEndian.AppendUint32(b, sequence)
	b = append(b, 0, 0, 0, 0) // to the kernel
	b = append(b, command, 1, 0, 0)
	if err := unix.Sendto(fd, append(b, attrs...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("generic netlink: %w", err)
	}
	buf := make([]byte, 64<<10) // answers have some 3 KiB
	n, _, err := unix.Recvfrom(fd, buf, 0)
	if err != nil {
		return nil, fmt.Errorf("generic netlink: %w", err)
	}
	messages, err := syscall.ParseNetlinkMessage(buf[:n])
	if err != nil || len(messages) == 0 {
		return nil, errors.Join(errors.New("generic netlink: an answer that cannot be read"), err)
	}
	m := messages[0]
	if m.Header.Type == unix.NLMSG_ERROR && len(m.Data) >= 4 {
		return nil, fmt.Errorf("generic netlink: %w", syscall.Errno(-int32(binary.NativeEndian.Uint32(m.Data))))
	}
	if len(m.Data) < unix.GENL_HDRLEN {
		return nil, errors.New("generic netlink: an answer that is too short")
	}
	return m.Data[unix.GENL_HDRLEN:], nil
}
