package hostnames

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const second = int64(1e9)

func at(s string) netip.Addr { return netip.MustParseAddr(s) }

func laptop(n byte) Client {
	return Client{XID: 7, HWType: 1, HWLen: 6, HW: [16]byte{2, 0, 0, 0, 0, n}}
}

// A table of sightings and of what is known after them.
func TestTable(t *testing.T) {
	host := at("10.1.2.3")
	asked := func(n byte, name string, s int64) Sighting {
		return Sighting{Time: s * second, Source: DHCP, Name: name, Client: laptop(n)}
	}
	given := func(n byte, name string, s int64) Sighting {
		return Sighting{Time: s * second, Source: DHCP, Name: name, Client: laptop(n), Addr: host}
	}
	told := func(from Source, name string, s int64) Sighting {
		return Sighting{Time: s * second, Source: from, Name: name, Addr: host}
	}
	later := laptop(1)
	later.XID++
	for _, c := range []struct {
		name string
		seen []Sighting
		want string
		from Source
	}{
		{"nothing", nil, "", 0},
		{"asked and given", []Sighting{asked(1, "desk-17", 0), given(1, "", 1)}, "desk-17", DHCP},
		{"asked and never given", []Sighting{asked(1, "desk-17", 0)}, "", 0},
		{"given to another than asked", []Sighting{asked(1, "desk-17", 0), given(2, "", 1)}, "", 0},
		{"the server names it", []Sighting{asked(1, "desk-17", 0), given(1, "desk-17.corp.example", 1)}, "desk-17.corp.example", DHCP},
		{"given too late", []Sighting{asked(1, "desk-17", 0), given(1, "", 65)}, "", 0},
		{"later and better", []Sighting{told(NetBIOS, "a", 0), told(MDNS, "b", 1), told(Kerberos, "c", 2)}, "c", Kerberos},
		{"later and worse", []Sighting{told(Kerberos, "c", 0), told(MDNS, "b", 1), told(NetBIOS, "a", 2)}, "c", Kerberos},
		{"later and as good", []Sighting{told(MDNS, "a", 0), told(MDNS, "b", 1)}, "b", MDNS},
		{"worse after a day", []Sighting{told(Kerberos, "c", 0), told(MDNS, "b", 86_401)}, "b", MDNS},
		{"the address is another's now", []Sighting{given(1, "desk-17", 0), given(2, "", 1)}, "", 0},
		{"the same client again", []Sighting{given(1, "desk-17", 0), given(1, "", 1)}, "desk-17", DHCP},
		{"the same client in another exchange", []Sighting{given(1, "desk-17", 0), {Time: second, Source: DHCP, Client: later, Addr: host}}, "desk-17", DHCP},
		{"a nameless client keeps what others tell of it", []Sighting{told(MDNS, "b", 0), given(2, "", 1)}, "b", MDNS},
		{"nothing better than the client", []Sighting{given(1, "desk-17", 0), told(NetBIOS, "a", 1)}, "desk-17", DHCP},
	} {
		table := New()
		last := int64(0)
		for i := range c.seen {
			table.Add(&c.seen[i])
			last = c.seen[i].Time
		}
		if name, from := table.Lookup(host, last); name != c.want || from != c.from {
			t.Errorf("%s: %q of %v, want %q of %v", c.name, name, from, c.want, c.from)
		}
	}
}

// A name is forgotten a day after it was told last, and not sooner.
func TestLife(t *testing.T) {
	table, host := New(), at("2001:db8::1")
	table.Add(&Sighting{Time: 5, Source: MDNS, Addr: host, Name: "a"})
	if name, _ := table.Lookup(host, 5+Life); name != "a" {
		t.Error("forgotten within a day")
	}
	if name, _ := table.Lookup(host, 6+Life); name != "" {
		t.Error("known after a day")
	}
}

// However many names are told, a table holds its bound of the latest and counts
// the others.
func TestBounds(t *testing.T) {
	table := New()
	for i := range MaxHosts + 100 {
		table.Add(&Sighting{Time: int64(i), Source: MDNS, Addr: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), Name: "n"})
		table.Add(&Sighting{Time: int64(i), Source: DHCP, Name: "n", Client: Client{XID: uint32(i)}})
	}
	if len(table.hosts) != MaxHosts || len(table.clients) != MaxClients || table.seen.Len() != MaxHosts || table.waiting.Len() != MaxClients {
		t.Errorf("%d hosts, %d clients", len(table.hosts), len(table.clients))
	}
	if want := uint64(100 + MaxHosts + 100 - MaxClients); table.Stats.Crowded != want {
		t.Errorf("%d counted, want %d", table.Stats.Crowded, want)
	}
	if name, _ := table.Lookup(at("10.0.0.99"), MaxHosts+100); name != "" {
		t.Error("the oldest is still there")
	}
	if name, _ := table.Lookup(at("10.0.0.100"), MaxHosts+100); name == "" {
		t.Error("the youngest are not there")
	}
}

// Whatever bytes a name has, it is printable, in lower case, bounded and without a
// line end; two readings of it are the same.
func TestClean(t *testing.T) {
	for raw, want := range map[string]string{
		"DESK-17": "desk-17", "DESK-17\x00": "desk-17", "desk 17": "desk 17", "a\x1b[31m": `a\x1b[31m`, "": "", "\x00\x00": "", "...": "",
		"LOCALHOST": "", "bj\xc3\xb6rn": `bj\xc3\xb6rn`, "Host.Corp.Example.": "host.corp.example", "-": "",
	} {
		if got := Clean([]byte(raw)); got != want {
			t.Errorf("%q becomes %q, want %q", raw, got, want)
		}
	}
	for raw, want := range map[string]string{"Desk-17.local": "desk-17", "printer.LOCAL": "printer", `two\.dots.local`: `two\.dots`, "x.example": "x.example", "local": "local"} {
		if got := CleanZone([]byte(raw)); got != want {
			t.Errorf("%q becomes %q, want %q", raw, got, want)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		got := Clean(rapid.SliceOfN(rapid.Byte(), 0, 600).Draw(rt, "name"))
		for _, c := range []byte(got) {
			if c < ' ' || c > '~' || 'A' <= c && c <= 'Z' {
				rt.Fatalf("%q", got)
			}
		}
		if len(got) > 4*maxRaw {
			rt.Fatalf("%d bytes", len(got))
		}
	})
}

// A table is the same as one that keeps everything and looks back for each answer:
// names of one source, with a day's memory, below the bounds.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		table := New()
		var all []Sighting
		now := int64(0)
		for range rapid.IntRange(1, 60).Draw(rt, "n") {
			now += rapid.Int64Range(0, Life/4).Draw(rt, "step")
			s := Sighting{
				Time: now, Source: Source(rapid.IntRange(1, 3).Draw(rt, "source")), Name: strings.Repeat("x", len(all)+1),
				Addr: at(fmt.Sprintf("10.0.0.%d", rapid.IntRange(1, 4).Draw(rt, "host"))),
			}
			table.Add(&s)
			all = append(all, s)
			for n := range 5 {
				addr := at(fmt.Sprintf("10.0.0.%d", n))
				if got, _ := table.Lookup(addr, now); got != model(all, addr, now) {
					rt.Fatalf("%v: %q, want %q", addr, got, model(all, addr, now))
				}
			}
		}
	})
}

// model goes through everything that was told, in order.
func model(all []Sighting, addr netip.Addr, now int64) (name string) {
	var best Sighting
	for _, s := range all {
		if s.Addr == addr && (s.Time-best.Time > Life || s.Source >= best.Source) {
			best = s
		}
	}
	if now-best.Time > Life {
		return ""
	}
	return best.Name
}
