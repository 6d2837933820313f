package dhcp

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	mdns "github.com/miekg/dns"
)

// write makes the bytes of a message with gopacket.
func write(t testing.TB, m *layers.DHCPv4) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	if err := m.SerializeTo(buf, gopacket.SerializeOptions{FixLengths: true}); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(buf.Bytes())
}

// request is what a Windows client sends.
func request(options ...layers.DHCPOption) *layers.DHCPv4 {
	first := []layers.DHCPOption{
		layers.NewDHCPOption(layers.DHCPOptMessageType, []byte{Request}),
		layers.NewDHCPOption(layers.DHCPOptRequestIP, []byte{10, 1, 2, 3}),
	}
	return &layers.DHCPv4{
		Operation: layers.DHCPOpRequest, HardwareType: layers.LinkTypeEthernet, HardwareLen: 6, Xid: 0x1234, ClientHWAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1},
		ClientIP: net.IPv4zero, YourClientIP: net.IPv4zero, NextServerIP: net.IPv4zero, RelayAgentIP: net.IPv4zero,
		Options: append(first, options...),
	}
}

func hostName(s string) layers.DHCPOption {
	return layers.NewDHCPOption(layers.DHCPOptHostname, []byte(s))
}

// What gopacket writes is read back.
func TestRequest(t *testing.T) {
	var m Message
	st := Parse(write(t, request(hostName("DESK-17"))), &m)
	if st != Done || m.Reply || m.Type != Request || m.XID != 0x1234 || m.HWType != 1 || !bytes.Equal(m.HW, []byte{2, 0, 0, 0, 0, 1}) ||
		m.Requested != netip.MustParseAddr("10.1.2.3") || m.Client.IsValid() || m.Your.IsValid() || string(m.HostName) != "DESK-17" {
		t.Errorf("%d %+v", st, m)
	}
}

// The name of option 81 comes first, in both of its encodings; DNS wire format is
// as miekg/dns packs it.
func TestFQDN(t *testing.T) {
	wire := make([]byte, 64)
	n, err := mdns.PackDomainName("desk-17.corp.example.", wire, 0, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	option := func(flags byte, name []byte) layers.DHCPOption {
		return layers.NewDHCPOption(81, append([]byte{flags, 0, 0}, name...))
	}
	for _, c := range []struct {
		name    string
		options []layers.DHCPOption
		want    string
	}{
		{"wire", []layers.DHCPOption{hostName("x"), option(4|1, wire[:n])}, "desk-17.corp.example"},
		{"wire, partial name", []layers.DHCPOption{hostName("x"), option(4, wire[:8])}, "desk-17"},
		{"wire, broken", []layers.DHCPOption{hostName("x"), option(4, wire[:11])}, "x"},
		{"wire, the root", []layers.DHCPOption{hostName("x"), option(4, []byte{0})}, "x"},
		{"ASCII", []layers.DHCPOption{option(1, []byte("desk-17.corp.example")), hostName("x")}, "desk-17.corp.example"},
		{"empty", []layers.DHCPOption{option(1, nil), hostName("x")}, "x"},
		{"none", nil, ""},
	} {
		var m Message
		if st := Parse(write(t, request(c.options...)), &m); st != Done || string(m.AppendName(nil)) != c.want {
			t.Errorf("%s: status %d, %q, want %q", c.name, st, m.AppendName(nil), c.want)
		}
	}
}

// Options overflow into the fields of the boot server's name and file (option 52).
func TestOverload(t *testing.T) {
	b := write(t, request(layers.NewDHCPOption(52, []byte{3})))
	copy(b[atFile:], []byte{0, 12, 2, 'a', 'b', 255})
	copy(b[atSname:], []byte{50, 4, 9, 9, 9, 9, 12, 1, 'c', 255})
	var m Message
	if st := Parse(b, &m); st != Done || string(m.HostName) != "ab" || m.Requested != netip.MustParseAddr("10.1.2.3") {
		t.Errorf("%d %+v", st, m)
	}
	b[atOptions+2+1+6+2] = 1 // only the file
	if st := Parse(b, &m); st != Done || m.overload != 1 || string(m.HostName) != "ab" {
		t.Errorf("%d %+v", st, m)
	}
}

// What is cut off anywhere is no message, or a part of one whose fields are those
// of the whole or missing.
func TestTruncated(t *testing.T) {
	whole := write(t, request(hostName("DESK-17"), layers.NewDHCPOption(81, []byte("\x01\x00\x00DESK-17.corp"))))
	end := bytes.LastIndexByte(whole, 255)
	for n := range whole {
		var m Message
		st := Parse(whole[:n:n], &m)
		if n <= end && (st == Done || st == Malformed) || n > end && st != Done {
			t.Errorf("%d bytes: status %d", n, st)
		}
		if m.HostName != nil && string(m.HostName) != "DESK-17" || m.FQDN != nil && string(m.FQDN) != "DESK-17.corp" {
			t.Errorf("%d bytes: %q, %q", n, m.HostName, m.FQDN)
		}
	}
}

// Options of lengths that they cannot have are told, and what is not DHCP is none.
func TestDamaged(t *testing.T) {
	var m Message
	for _, o := range []layers.DHCPOption{
		layers.NewDHCPOption(layers.DHCPOptHostname, nil), layers.NewDHCPOption(layers.DHCPOptRequestIP, []byte{1, 2, 3}),
		layers.NewDHCPOption(52, []byte{4}), layers.NewDHCPOption(81, []byte{0, 0}), layers.NewDHCPOption(layers.DHCPOptMessageType, []byte{1, 2}),
	} {
		if st := Parse(write(t, request(o)), &m); st != Malformed {
			t.Errorf("%v: status %d", o, st)
		}
	}
	good := write(t, request())
	for at, to := range map[int]byte{0: 3, 2: 17, atCookie: 0, atOptions: 61} {
		b := slices.Clone(good)
		b[at] = to
		if st := Parse(b, &m); st != NotDHCP {
			t.Errorf("byte %d is %d: status %d", at, to, st)
		}
	}
}

// Random messages that gopacket writes are read as they are, and nothing is
// allocated.
func TestOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 7))
	for range 5000 {
		p := request()
		p.Operation = layers.DHCPOp(1 + r.IntN(2))
		p.Xid, p.ClientIP, p.YourClientIP = r.Uint32(), net.IP{10, 0, 0, byte(r.IntN(2))}, net.IP{10, 0, 1, byte(r.IntN(2))}
		p.Options[0].Data[0] = byte(1 + r.IntN(8))
		for range r.IntN(8) {
			data := make([]byte, 4+r.IntN(60))
			for i := range data {
				data[i] = byte(r.Uint32())
			}
			code := []layers.DHCPOpt{layers.DHCPOptHostname, layers.DHCPOptHostname, 55, 60, 61, 43, 119}[r.IntN(7)]
			p.Options = append(p.Options, layers.NewDHCPOption(code, data))
		}
		b := write(t, p)
		compare(t, b)
		var m Message
		if n := testing.AllocsPerRun(1, func() { Parse(b, &m) }); n > 0 {
			t.Fatalf("%v allocations", n)
		}
	}
}

// compare holds what is read against gopacket's reading.
func compare(t testing.TB, b []byte) {
	t.Helper()
	var m Message
	if Parse(b, &m) != Done || m.overload != 0 {
		return
	}
	var theirs layers.DHCPv4
	if theirs.DecodeFromBytes(slices.Clone(b), gopacket.NilDecodeFeedback) != nil {
		return // it refuses padding in places
	}
	if theirs.Xid != m.XID || (theirs.Operation == layers.DHCPOpReply) != m.Reply || !same(m.Client, theirs.ClientIP) || !same(m.Your, theirs.YourClientIP) ||
		!bytes.Equal(theirs.ClientHWAddr, m.HW) {
		t.Fatalf("%+v\n%+v", m, theirs)
	}
	i := slices.IndexFunc(theirs.Options, func(o layers.DHCPOption) bool { return o.Type == layers.DHCPOptHostname })
	if i < 0 && m.HostName != nil || i >= 0 && !bytes.Equal(theirs.Options[i].Data, m.HostName) {
		t.Fatalf("%q, %v", m.HostName, theirs.Options)
	}
	i = slices.IndexFunc(theirs.Options, func(o layers.DHCPOption) bool { return o.Type == layers.DHCPOptMessageType })
	if i < 0 || theirs.Options[i].Data[0] != m.Type {
		t.Fatalf("%d, %v", m.Type, theirs.Options)
	}
}

func same(a netip.Addr, ip net.IP) bool {
	return !a.IsValid() && ip.Equal(net.IPv4zero) || a.IsValid() && ip.Equal(a.AsSlice())
}

func FuzzParse(f *testing.F) {
	f.Add(write(f, request(hostName("DESK-17"), layers.NewDHCPOption(81, []byte("\x05\x00\x00\x04desk\x00")))))
	f.Add(write(f, request(layers.NewDHCPOption(52, []byte{3}))))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = slices.Clip(b)
		compare(t, b)
		var m Message
		Parse(b, &m)
		if name := m.AppendName(nil); len(name) > 255 {
			t.Fatalf("%q", name)
		}
	})
}
