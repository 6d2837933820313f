package eve

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/flow"
)

func header() *Header {
	return &Header{
		Type: "dns", Time: 1772632931_123456789, Number: 62, File: "a.pcap", FlowID: 1<<53 - 1, VLAN: 7, AppProto: "dns",
		Tuple: flow.Tuple{
			Client: netip.MustParseAddr("10.1.2.3"), Server: netip.MustParseAddr("2001:db8::1"), ClientPort: 5000, ServerPort: 53, Proto: 17,
		},
	}
}

func TestHeader(t *testing.T) {
	var l Line
	l.Begin(header())
	const want = `{"timestamp":"2026-03-04T14:02:11.123456+0000","flow_id":9007199254740991,"pcap_cnt":62,"pcap_filename":"a.pcap",` +
		`"event_type":"dns","vlan":[7],"src_ip":"10.1.2.3","src_port":5000,"dest_ip":"2001:db8::1","dest_port":53,"proto":"UDP",`
	got := string(l.End())
	if !strings.HasPrefix(got, want) || !strings.HasSuffix(got, `,"app_proto":"dns"}`+"\n") {
		t.Errorf("%s\nwant %s", got, want)
	}
	l.Begin(&Header{Type: "alert", Tuple: header().Tuple})
	got = string(l.End())
	for _, key := range []string{"pcap_cnt", "pcap_filename", "vlan", "app_proto"} {
		if strings.Contains(got, key) {
			t.Errorf("%s without a value", key)
		}
	}
}

// Whatever a text holds, the line stays one line of JSON in ASCII; the text
// comes back with a question mark for what is not printable.
func FuzzText(f *testing.F) {
	f.Add("relay-1.net.anydesk.com")
	f.Add("a\n\r\x1b[31m\x00\"\\\\\"}\xff\u202e\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		var l Line
		l.Reset()
		l.Str("a", s)
		l.OpenList("b")
		l.Text("", []byte(s))
		l.Open("")
		l.Str("c", s)
		l.Close()
		l.CloseList()
		l.List("d", s, s)
		l.List("nothing")
		l.Bool("e", true)
		line := l.End()
		for i, c := range line {
			if (c < ' ' || c > '~') && i != len(line)-1 {
				t.Fatalf("byte %#x at %d of %q", c, i, line)
			}
		}
		var got struct {
			A string
			B []any
			D []string
			E bool
		}
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		want := []byte(s)
		for i, c := range want {
			if c < ' ' || c > '~' {
				want[i] = '?'
			}
		}
		if w := string(want); got.A != w || got.B[0] != w || got.B[1].(map[string]any)["c"] != w || len(got.D) != 2 || got.D[1] != w || !got.E {
			t.Errorf("%q became %+v", s, got)
		}
	})
}

func TestTimes(t *testing.T) {
	for ns, want := range map[int64]string{
		0:                   "1970-01-01T00:00:00.000000+0000",
		999:                 "1970-01-01T00:00:00.000000+0000",
		1763841301123456999: "2025-11-22T19:55:01.123456+0000",
		1<<63 - 1:           "2262-04-11T23:47:16.854775+0000",
		-1 << 63:            "1677-09-21T00:12:43.145224+0000",
	} {
		if got := string(AppendTime(nil, ns)); got != want {
			t.Errorf("%d: %s, want %s", ns, got, want)
		}
	}
}

func TestProto(t *testing.T) {
	if got := Proto(6) + Proto(17) + Proto(132); got != "TCPUDP132" {
		t.Error(got)
	}
}

// A line costs the Community ID's two allocations and nothing of its own.
func TestAllocations(t *testing.T) {
	var l Line
	h := header()
	line := func() {
		l.Begin(h)
		l.Str("a", "b")
		l.End()
	}
	id := testing.AllocsPerRun(100, func() { _ = h.Tuple.CommunityID() })
	if n := testing.AllocsPerRun(100, line); n > id {
		t.Errorf("%v allocations, of which the Community ID makes %v", n, id)
	}
}

func BenchmarkBegin(b *testing.B) {
	var l Line
	h := header()
	b.ReportAllocs()
	for b.Loop() {
		l.Begin(h)
		l.End()
	}
}
