package sensor

import (
	"net/netip"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/decode"
)

func TestHostSet(t *testing.T) {
	s := newHostSet(1 << 12)
	for range 3 {
		for i := range 3000 {
			s.add(decode.Addr4([]byte{10, 0, byte(i >> 8), byte(i)}))
			s.add(decode.Addr{Hi: 0xfd << 56, Lo: uint64(i)})
		}
	}
	if n := s.count(); n != 1<<12 || !s.full {
		t.Errorf("%d hosts of 6000 in a set for 4096, full %v", n, s.full)
	}
	s = newHostSet(1 << 14)
	for range 3 {
		for i := range 6000 {
			s.add(decode.Addr4([]byte{10, 0, byte(i >> 8), byte(i)}))
		}
	}
	if n := s.count(); n < 5990 || n > 6000 || s.full {
		t.Errorf("%d hosts of 6000", n)
	}
}

func TestIsHome(t *testing.T) {
	s := newSeen([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("2001:db8::/96")})
	for addr, want := range map[string]bool{
		"10.255.0.1": true, "11.0.0.1": false, "192.0.2.1": true, "192.0.2.2": false,
		"fd12::1": true, "fe80::1": false, "2001:db8::ffff:1": true, "2001:db8:0:0:0:1::": false, "::a00:1": false,
	} {
		if got := s.isHome(decode.AddrFrom(netip.MustParseAddr(addr))); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	all := newSeen([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")})
	if !all.isHome(decode.AddrFrom(netip.MustParseAddr("203.0.113.1"))) || all.isHome(decode.AddrFrom(netip.MustParseAddr("2001:db8::1"))) {
		t.Error("0.0.0.0/0 is every IPv4 address and no other")
	}
}
