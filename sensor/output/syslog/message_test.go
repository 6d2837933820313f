package syslog_test

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	parser "github.com/leodido/go-syslog/v4"
	"github.com/leodido/go-syslog/v4/nontransparent"
	"github.com/leodido/go-syslog/v4/octetcounting"
	"github.com/leodido/go-syslog/v4/rfc5424"

	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/output/outputtest"
	sink "github.com/rmmwatch/rmmwatch/sensor/output/syslog"
)

// pipe is a connection that keeps what is written.
type pipe struct {
	net.Conn
	written bytes.Buffer
}

func (p *pipe) Write(b []byte) (int, error)      { return p.written.Write(b) }
func (p *pipe) Close() error                     { return nil }
func (p *pipe) SetDeadline(time.Time) error      { return nil }
func (p *pipe) SetReadDeadline(time.Time) error  { return nil }
func (p *pipe) Read([]byte) (int, error)         { return 0, errSilent }
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }

// errSilent is what a read of a silent connection ends with.
var errSilent = &net.OpError{Op: "read", Err: errTimeout{}}

type errTimeout struct{}

func (errTimeout) Error() string   { return "i/o timeout" }
func (errTimeout) Timeout() bool   { return true }
func (errTimeout) Temporary() bool { return true }
func (errTimeout) Is(err error) bool {
	return err.Error() == "i/o timeout"
}

var no = false

// written is what the sink writes for messages.
func written(t testing.TB, cfg sink.Config, messages ...output.Message) []byte {
	t.Helper()
	var p pipe
	cfg.Network, cfg.Address, cfg.Confirm = "tcp", "receiver.test:514", &no
	cfg.Dial = func(context.Context, string, string) (net.Conn, error) { return &p, nil }
	s := newSink(t, cfg)
	if n, err := s.Send(context.Background(), messages); n != len(messages) || err != nil {
		t.Fatal(n, err)
	}
	return p.written.Bytes()
}

// one is what the sink writes for one message, without framing.
func one(t testing.TB, cfg sink.Config, m output.Message) []byte {
	t.Helper()
	raw, err := readFrame(bufio.NewReader(bytes.NewReader(written(t, cfg, m))), sink.OctetCounted)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestMessage(t *testing.T) {
	m := outputtest.Message("a1")
	m.Body = []byte(`{"a":"b"}`)
	want := `<130>1 2026-03-04T14:02:11.073270Z - rmmwatch - unsanctioned-tool [rmmwatch@32473 id="a1" tool="anydesk" kind="unsanctioned-tool" host="10.1.2.3" severity="high"] {"a":"b"}`
	if got := one(t, sink.Config{}, m); string(got) != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	m.Severity = output.Low
	want = `<189>1 2026-03-04T14:02:11.073270Z hq-span-1 rw - unsanctioned-tool - {"a":"b"}`
	if got := one(t, sink.Config{Facility: "local7", Hostname: "hq-span-1", AppName: "rw", StructuredData: &no}, m); string(got) != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	m.Severity, m.Time, m.Kind, m.Body = output.Medium, time.Time{}, "", nil
	want = `<4>1 - - rmmwatch - - [rmmwatch@99 id="a1" tool="anydesk" kind="" host="10.1.2.3" severity="medium"]`
	if got := one(t, sink.Config{Facility: "0", Enterprise: 99}, m); string(got) != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// hostile is a message of which no field is what it should be.
func hostile(id, tool, kind, host, body string) output.Message {
	return output.Message{ID: id, Tool: tool, Kind: kind, Host: host, Severity: output.High, Time: outputtest.Message("").Time, Body: []byte(body)}
}

// Line breaks, NULs, quotes and half characters neither split a message nor end
// a value.
func TestHostile(t *testing.T) {
	m := hostile("a\"]\\\n\x00<1>1", "\xff\xfe", "kind with blanks and is far too long for a MSGID", strings.Repeat("ü", 100), "one\n<1>1 two\r\x00\x1b[31m\tend\x7f")
	for _, framing := range []sink.Framing{sink.OctetCounted, sink.Newline} {
		raw := written(t, sink.Config{Framing: framing}, m, outputtest.Message("next"))
		got := oracle(t, framing, raw)
		if len(got) != 2 {
			t.Fatalf("%s: %d messages in %q", framing, len(got), raw)
		}
		sd := (*got[0].StructuredData)["rmmwatch@32473"]
		want := map[string]string{
			"id": `a"]\\x0a\x00<1>1`, "tool": `\xff\xfe`, "kind": "kind with blanks and is far too long for a MSGID", "host": strings.Repeat("ü", 32), "severity": "high",
		}
		want["id"] = `a"]\` + `\x0a\x00<1>1`
		for name, value := range want {
			if sd[name] != value {
				t.Errorf("%s: %s is %q, not %q", framing, name, sd[name], value)
			}
		}
		if want := "kind_with_blanks_and_is_far_too_"; *got[0].MsgID != want {
			t.Errorf("MSGID %q, not %q", *got[0].MsgID, want)
		}
		if want := `one\x0a<1>1 two\x0d\x00\x1b[31m` + "\t" + `end\x7f`; *got[0].Message != want {
			t.Errorf("body %q, not %q", *got[0].Message, want)
		}
		if id := outputtest.ID([]byte(*got[1].Message)); id != "next" {
			t.Errorf("the next message is %q", *got[1].Message)
		}
	}
}

// oracle reads a stream as go-syslog does.
func oracle(t testing.TB, framing sink.Framing, raw []byte) (got []*rfc5424.SyslogMessage) {
	t.Helper()
	listen := parser.WithListener(func(r *parser.Result) {
		if r.Error != nil {
			t.Errorf("%v in %q", r.Error, raw)
			return
		}
		got = append(got, r.Message.(*rfc5424.SyslogMessage))
	})
	if framing == sink.Newline {
		nontransparent.NewParser(listen).Parse(bytes.NewReader(raw))
	} else {
		octetcounting.NewParser(listen, parser.WithMaxMessageLength(1<<20)).Parse(bytes.NewReader(raw))
	}
	return got
}

// A message at the limit is whole; one byte more and it is cut, says by how much,
// and is as long as the limit allows.
func TestTruncation(t *testing.T) {
	for _, body := range []string{strings.Repeat("x", 3000), strings.Repeat("ü", 1500), strings.Repeat("€", 1000), strings.Repeat("\xf0\x9f\x98\x80", 800), strings.Repeat("\x80", 3000)} {
		m := outputtest.Message("long")
		m.Body = []byte(body)
		whole := one(t, sink.Config{}, m)
		if got := one(t, sink.Config{MaxBytes: len(whole)}, m); !bytes.Equal(got, whole) {
			t.Errorf("cut at its own length: %q", got)
		}
		for limit := 700; limit < len(whole); limit++ {
			got := one(t, sink.Config{MaxBytes: limit}, m)
			if len(got) > limit || len(got) < limit-5 {
				t.Fatalf("%d bytes, the limit is %d", len(got), limit)
			}
			if utf8.ValidString(body) && !utf8.Valid(got) {
				t.Fatalf("a character was split: %q", got)
			}
			text, ok := bytes.CutSuffix(got[bytes.Index(got, []byte("] "))+2:], []byte("..."))
			if !ok || !strings.HasPrefix(body, string(text)) {
				t.Fatalf("the body is %q", text)
			}
			if says := `truncated="` + strconv.Itoa(len(body)-len(text)) + `"]`; !bytes.Contains(got, []byte(says)) {
				t.Fatalf("it does not say %s: %q", says, got)
			}
		}
	}
}

// The smallest limit that is allowed holds the largest head.
func TestSmallest(t *testing.T) {
	m := hostile(strings.Repeat("\x00", 99), strings.Repeat("\"", 99), strings.Repeat("k", 99), strings.Repeat("h", 99), strings.Repeat("x", 99999))
	cfg := sink.Config{Hostname: strings.Repeat("h", 255), AppName: strings.Repeat("a", 48), Enterprise: 1<<32 - 1, Network: "udp", Address: "h:1"}
	least := 0
	for cfg.MaxBytes = 400; ; cfg.MaxBytes++ {
		if _, err := sink.New(cfg); err == nil {
			least = cfg.MaxBytes
			break
		}
	}
	if got := one(t, cfg, m); len(got) != least || !bytes.Contains(got, []byte("xxxx...")) {
		t.Errorf("limit %d, %d bytes: %q", least, len(got), got)
	}
}

func FuzzMessage(f *testing.F) {
	f.Add("a1", "anydesk", "unsanctioned-tool", "10.1.2.3", `{"a":"b"}`, 700)
	f.Add("]\"\\", "\n", "\x00 ", "\xff", "a\nb", 0)
	f.Add("\ufeff", "\u0085", "\u202e", strings.Repeat("]", 99), strings.Repeat("€", 900), 999)
	f.Fuzz(func(t *testing.T, id, tool, kind, host, body string, limit int) {
		m := hostile(id, tool, kind, host, body)
		cfg := sink.Config{MaxBytes: 600 + (limit&0xffff)%4000}
		for _, cfg.Framing = range []sink.Framing{sink.OctetCounted, sink.Newline} {
			raw := written(t, cfg, m, outputtest.Message("next"), m)
			in := bufio.NewReader(bytes.NewReader(raw))
			for i := range 3 {
				one, err := readFrame(in, cfg.Framing)
				if err != nil || len(one) > cfg.MaxBytes {
					t.Fatalf("message %d: %v, %d bytes in %q", i, err, len(one), raw)
				}
				if bytes.ContainsAny(one, "\n\r\x00\x1b\x7f") {
					t.Fatalf("control characters in %q", one)
				}
				if !utf8.ValidString(body) && i != 1 {
					continue // the oracle takes MSG-ANY for UTF-8
				}
				if sd := (*parse(t, one).StructuredData)["rmmwatch@32473"]; len(sd) < 5 {
					t.Fatalf("structured data %q in %q", sd, one)
				}
			}
			if rest, _ := in.Peek(1); len(rest) > 0 {
				t.Fatalf("more than three messages in %q", raw)
			}
		}
	})
}

func BenchmarkMessage(b *testing.B) {
	var p pipe
	s := newSink(b, sink.Config{Network: "tcp", Address: "r:1", Confirm: &no, Dial: func(context.Context, string, string) (net.Conn, error) { return &p, nil }})
	batch := make([]output.Message, 100)
	for i := range batch {
		batch[i] = outputtest.Message(strconv.Itoa(i))
	}
	b.ReportAllocs()
	for b.Loop() {
		p.written.Reset()
		if n, err := s.Send(context.Background(), batch); n != len(batch) {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(batch))/b.Elapsed().Seconds(), "records/s")
}
