package web

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// metadata are the addresses at which clouds hand out credentials, besides the
// link-local ones.
var metadata = []netip.Addr{
	netip.MustParseAddr("100.100.100.200"), // Alibaba Cloud
	netip.MustParseAddr("192.0.0.192"),     // Oracle Cloud, classic
	netip.MustParseAddr("168.63.129.16"),   // Azure's WireServer
	netip.MustParseAddr("fd00:ec2::254"),   // AWS
	netip.MustParseAddr("fd20:ce::254"),    // Google Cloud
}

// metadataNames resolve to such addresses inside of a cloud. They matter behind a
// proxy, which resolves names itself.
var metadataNames = []string{"metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}

var (
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8")      // RFC 791: this network
	nat64       = netip.MustParsePrefix("64:ff9b::/96")   // RFC 6052
	nat64Local  = netip.MustParsePrefix("64:ff9b:1::/48") // RFC 8215
	sixToFour   = netip.MustParsePrefix("2002::/16")      // RFC 3056
	compatible  = netip.MustParsePrefix("::/96")          // RFC 4291, 2.5.5.1
)

// judge refuses addresses at which no receiver of alerts can be: who may write
// the configuration, or a name server, must not make the sensor fetch a cloud's
// credentials. Loopback and private addresses are allowed: receivers are inside.
func judge(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	switch {
	case a.IsLinkLocalUnicast():
		return fmt.Errorf("%v is a link-local address, where clouds keep credentials: refused", a)
	case a.IsUnspecified(), a.Is4() && thisNetwork.Contains(a):
		return fmt.Errorf("%v is no address of a host: refused", a)
	case a.IsMulticast(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("%v is a multicast or broadcast address: refused", a)
	case slices.Contains(metadata, a):
		return fmt.Errorf("%v is the address of a cloud's metadata service: refused", a)
	}
	for _, inner := range embedded(a) {
		if err := judge(inner); err != nil {
			return fmt.Errorf("%v stands for %w", a, err)
		}
	}
	return nil
}

// embedded are the IPv4 addresses that an IPv6 address stands for.
func embedded(a netip.Addr) []netip.Addr {
	if a.Is4() || a.IsLoopback() {
		return nil
	}
	b := a.As16()
	last := netip.AddrFrom4([4]byte(b[12:]))
	switch {
	case nat64.Contains(a), compatible.Contains(a):
		return []netip.Addr{last}
	case nat64Local.Contains(a): // a prefix of 48, 64 or 96 bits; RFC 6052, 2.2
		// In the first two forms bits 64 to 71 are zero. A form that the address
		// does not have may refuse one that nobody uses.
		return []netip.Addr{last, netip.AddrFrom4([4]byte{b[6], b[7], b[9], b[10]}), netip.AddrFrom4([4]byte(b[9:13]))}
	case sixToFour.Contains(a):
		return []netip.Addr{netip.AddrFrom4([4]byte(b[2:6]))}
	}
	return nil
}

// judgeHost refuses what a URL's host says by itself. A proxy resolves names, so
// that this is all that can be judged of a receiver behind one.
func judgeHost(host string) error {
	if a, err := netip.ParseAddr(host); err == nil {
		return judge(a)
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if name == "" {
		return errors.New("the URL names no host")
	}
	if slices.Contains(metadataNames, name) {
		return fmt.Errorf("%s is a cloud's metadata service: refused", name)
	}
	// What ends in a number is an IPv4 address in one of the forms of inet_aton
	// (2852039166, 0xa9.0xfe.43518), which only serve to get around this check.
	if _, err := strconv.ParseUint(name[strings.LastIndexByte(name, '.')+1:], 0, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("%q is neither a host name nor an address in its usual form: refused", host)
	}
	return nil
}

// judgeConn refuses a connection by where it leads to.
func judgeConn(c net.Conn) error {
	a, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return errors.New("the address that was connected to is unknown: refused")
	}
	return judge(a.Addr())
}

// control refuses an address before it is connected to, after the name was
// resolved: another answer of the name server the next time changes nothing.
func control(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %q cannot be judged: refused", address)
	}
	return judge(a.Addr())
}
