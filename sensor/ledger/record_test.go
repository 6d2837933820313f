package ledger

import (
	"bytes"
	"net/netip"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// drawEntry is any entry that Observe can make.
func drawEntry(t *rapid.T) *Entry {
	a := rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "addr")
	if rapid.Bool().Draw(t, "six") {
		a = append(make([]byte, 12), a...)
		a[0] = 0x20
	}
	addr, _ := netip.AddrFromSlice(a)
	str := rapid.StringMatching(`[ -~]{1,40}`)
	e := &Entry{
		Host: Host{Addr: addr, VLAN: rapid.Uint16().Draw(t, "vlan"), Tunnel: rapid.SampledFrom([]string{"", "vxlan", "gre"}).Draw(t, "tunnel"), TunnelID: rapid.Uint32().Draw(t, "id")},
		Tool: str.Draw(t, "tool"), Class: str.Draw(t, "class"), Up: rapid.Uint64().Draw(t, "up"), Down: rapid.Uint64().Draw(t, "down"),
	}
	at := rapid.Int64Range(-1<<60, 1<<60)
	for range rapid.IntRange(1, 20).Draw(t, "uses") {
		from := at.Draw(t, "from")
		to := from + rapid.Int64Range(0, 1<<50).Draw(t, "for")
		e.Span.add(from, to)
		e.Verdicts.add(str.Draw(t, "verdict"), from, to, maxVerdicts)
		e.Tenants.add(str.Draw(t, "tenant"), from, to, maxTenants)
		e.Relays.add(str.Draw(t, "relay"), from, to, maxRelays)
	}
	return e
}

func TestRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEntry(t)
		key, value := encode(e)
		got, err := decode(key, value)
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Fatalf("%v\n%+v\n%+v", err, got, e)
		}
		for n := range value { // cut at every length
			if _, err := decode(key, value[:n]); err == nil {
				t.Fatalf("%d of %d bytes were taken", n, len(value))
			}
		}
		i, bit := rapid.IntRange(0, len(value)-1).Draw(t, "byte"), rapid.IntRange(0, 7).Draw(t, "bit")
		value[i] ^= 1 << bit
		if _, err := decode(key, value); err == nil {
			t.Fatalf("a flipped bit was taken")
		}
		value[i] ^= 1 << bit
		key[0] ^= 1
		if _, err := decode(key, value); err == nil {
			t.Fatalf("another host's record was taken")
		}
	})
}

// Keys are in the order of hosts.
func TestKeyOrder(t *testing.T) {
	e := func(h Host) []byte { return keyOf(&Entry{Host: h, Tool: "x"}) }
	four, six := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("2001:db8::1")
	if bytes.Compare(e(Host{Addr: four}), e(Host{Addr: four, VLAN: 1})) >= 0 || bytes.Compare(e(Host{Addr: four, VLAN: 1}), e(Host{Addr: six})) >= 0 {
		t.Error("not in order")
	}
}

// What was read and written again is the same; the checksum is mended, or the
// fuzzer would never come behind it.
func FuzzDecode(f *testing.F) {
	e := &Entry{Host: Host{Addr: netip.MustParseAddr("10.1.2.3"), VLAN: 7, Tunnel: "vxlan", TunnelID: 9}, Tool: "anydesk", Class: "remote-desktop", Up: 1, Down: 2}
	e.Span.add(0, 5*day)
	e.Tenants.add("a1b2c3", 0, 0, maxTenants)
	e.Relays.add("relay.example", 0, day, maxRelays)
	e.Verdicts.add("unsanctioned", 0, 0, maxVerdicts)
	key, value := encode(e)
	f.Add(key, value[:len(value)-4])
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, key, body []byte) {
		value := append([]byte(nil), body...)
		sum := checksum(key, body)
		value = append(value, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
		e, err := decode(key, value)
		if err != nil {
			return
		}
		if len(e.Tenants.Items) > maxTenants || len(e.Tool) > maxText {
			t.Fatalf("%+v", e)
		}
		again, err := decode(encode(e))
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Fatalf("%v\n%+v\n%+v", err, again, e)
		}
		_, _ = e.Host.String(), e.Verdict()
	})
}
