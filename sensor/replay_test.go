package sensor_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rmmwatch/rmmwatch/rules"
	"github.com/rmmwatch/rmmwatch/sensor"
	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/alert/format"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/events"
)

var update = flag.Bool("update", false, "write the golden alerts anew")

// embedded are the rules that the program brings along.
var embedded = sync.OnceValues(func() (*detect.Ruleset, error) { return detect.LoadFS("embedded", rules.FS) })

// result is what one replay gave.
type result struct {
	alerts  []*alert.Alert
	summary format.Summary
	eve     string
	events  string
	damage  []error
}

// replaySource runs a source through the pipeline with the embedded rules.
func replaySource(t testing.TB, cfg config.Config, src capture.Source, name func(uint32) string) result {
	t.Helper()
	rs, err := embedded()
	if err != nil {
		t.Fatal(err)
	}
	var r result
	var eve, ev bytes.Buffer
	lines := format.NewEVE(name)
	run := sensor.Replay{
		Config: &cfg, Rules: rs, Source: src, Events: events.New(&ev, name),
		Alert:  func(a *alert.Alert) { r.alerts = append(r.alerts, a); eve.Write(lines.Line(a)) },
		Damage: func(err error) { r.damage = append(r.damage, err) },
		Tick:   func() {},
	}
	if r.summary, err = run.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := run.Events.Flush(); err != nil {
		t.Fatal(err)
	}
	r.eve, r.events = eve.String(), ev.String()
	return r
}

// replay runs capture files.
func replay(t testing.TB, paths ...string) result {
	t.Helper()
	f, err := capture.Open(paths, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return replaySource(t, small(), f, f.Name)
}

// small is the default configuration with a budget for small captures: most
// of a test's time would go into clearing memory else.
func small() config.Config {
	cfg := config.Default()
	cfg.Memory = config.Memory{Flows: 2000, Heads: 128, Fragments: 32}
	return cfg
}

// frames is a source of frames in memory.
type frames struct {
	list []capture.Frame
	next int
}

func (s *frames) ReadBatch(dst []capture.Frame) (int, error) {
	if s.next == len(s.list) {
		return 0, io.EOF
	}
	n := copy(dst, s.list[s.next:])
	s.next += n
	return n, nil
}

func replayFrames(t testing.TB, list []capture.Frame) result {
	t.Helper()
	return replaySource(t, small(), &frames{list: list}, func(uint32) string { return "memory" })
}

// captures are the bundled ones.
func captures(t testing.TB) []string {
	t.Helper()
	var list []string
	for _, pattern := range []string{"../pcaps/*.pcap", "../pcaps/*.pcapng"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, found...)
	}
	if len(list) < 60 {
		t.Fatalf("only %d captures", len(list))
	}
	return list
}

// Every bundled capture gives exactly its golden alerts.
func TestGolden(t *testing.T) {
	for _, path := range captures(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			golden := path + ".eve.json"
			got := replay(t, path).eve
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v; make golden writes it", err)
			}
			if got != string(want) {
				t.Errorf("alerts differ from %s; if they should, make golden and read the difference\n got %.600s\nwant %.600s", golden, got, want)
			}
		})
	}
}

// Two runs over all captures as one stream are equal to the byte, alerts and
// events alike.
func TestReplayIsDeterministic(t *testing.T) {
	a, b := replay(t, "../pcaps"), replay(t, "../pcaps")
	if a.eve != b.eve || a.events != b.events {
		t.Error("two replays of the same captures differ")
	}
	if len(a.alerts) < 40 || strings.Count(a.events, "\n") < 200 {
		t.Errorf("only %d alerts and %d events", len(a.alerts), strings.Count(a.events, "\n"))
	}
}

// story is what an alert says without what a wrapping changes: packet numbers
// and tunnels.
func story(alerts []*alert.Alert) string {
	var b strings.Builder
	for _, a := range alerts {
		fmt.Fprintf(&b, "%s %s %s up %d down %d flows %d\n", a.Host, a.Tool.ID, a.Confidence, a.Up, a.Down, a.Flows)
		for _, e := range a.Evidence {
			fmt.Fprintf(&b, "  %s %s %s %s x%d\n", e.Kind, e.Indicator.ID, e.Value, e.Flow.Tuple.CommunityID(), e.Count)
		}
	}
	return b.String()
}

// The same frames in any encapsulation, on any link type, in fragments or
// mirrored twice tell the same story, with nothing counted twice.
func TestWrappingsTellTheSame(t *testing.T) {
	for plain, wrapped := range map[string][]string{
		"anydesk-synthetic": {
			"vlan", "qinq", "mpls", "pppoe", "ppp", "gre", "gre-keyed", "erspan1", "erspan2", "erspan3", "vxlan", "geneve",
			"ipip", "nested", "sll", "sll2", "raw", "null", "radiotap", "mixed-links", "fragments", "mirrored-twice", "truncated",
		},
		"anydesk-ipv6-synthetic": {"6in4", "fragments6"},
	} {
		want := story(replay(t, "../pcaps/"+plain+".pcap").alerts)
		if !strings.Contains(want, "anydesk high") {
			t.Fatalf("%s: %s", plain, want)
		}
		for _, w := range wrapped {
			path := "../pcaps/anydesk-" + w + "-synthetic.pcap"
			if w == "mixed-links" {
				path += "ng"
			}
			got := replay(t, path)
			if s := story(got.alerts); s != want {
				t.Errorf("%s:\n%swant\n%s", w, s, want)
			}
			if cut := w == "truncated"; cut != (len(got.damage) == 1) {
				t.Errorf("%s: damage %v", w, got.damage)
			}
		}
	}
}

// Rotated captures are one stream: a flow that spans two files is one flow,
// whatever order the files are named in.
func TestRotatedCapturesAreOneStream(t *testing.T) {
	raw, err := os.ReadFile("../pcaps/anydesk-synthetic.pcap")
	if err != nil {
		t.Fatal(err)
	}
	cuts := packetOffsets(t, raw)
	dir := t.TempDir()
	var paths []string
	for i := range 3 {
		from, to := cuts[len(cuts)*i/3], cuts[len(cuts)*(i+1)/3-1]
		if i < 2 {
			to = cuts[len(cuts)*(i+1)/3]
		}
		path := filepath.Join(dir, fmt.Sprintf("%d.pcap", 9-i)) // by name they are in the wrong order
		if err := os.WriteFile(path, append(slices.Clone(raw[:24]), raw[from:to]...), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	want := story(replay(t, "../pcaps/anydesk-synthetic.pcap").alerts)
	if got := story(replay(t, paths[2], paths[0], paths[1]).alerts); got != want {
		t.Errorf("three files:\n%swant\n%s", got, want)
	}
	if got := story(replay(t, dir).alerts); got != want {
		t.Errorf("their folder:\n%swant\n%s", got, want)
	}
}

// packetOffsets returns where each record of a little-endian pcap starts, and
// where the last ends.
func packetOffsets(t *testing.T, raw []byte) (at []int) {
	t.Helper()
	for i := 24; i < len(raw); {
		at = append(at, i)
		i += 16 + int(raw[i+8]) + int(raw[i+9])<<8
	}
	return append(at, len(raw))
}

// A damaged or truncated capture, or one that is none, does not stop the ones
// after it.
func TestDamageStopsNothing(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk.pcap")
	if err := os.WriteFile(junk, []byte("this is no capture at all, whatever its name says"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := replay(t, junk, filepath.Join(dir, "missing.pcap"), "../pcaps/anydesk-damaged-synthetic.pcap",
		"../pcaps/anydesk-truncated-synthetic.pcap", "../pcaps/many-tools-synthetic.pcap")
	if len(r.damage) != 4 {
		t.Errorf("damage: %v", r.damage)
	}
	if !strings.Contains(story(r.alerts), "10.1.2.40 ngrok") {
		t.Error("the last capture was not read")
	}
}

// Cut a capture anywhere (capture tests every byte): what is whole is still processed, nothing
// panics, and the alert does not come before its evidence.
func TestCutEverywhere(t *testing.T) {
	raw, err := os.ReadFile("../pcaps/clienthello-disordered-synthetic.pcap")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cut.pcap")
	found := false
	for n := 0; n <= len(raw)+12; n += 13 {
		if err := os.WriteFile(path, raw[:min(n, len(raw))], 0o600); err != nil {
			t.Fatal(err)
		}
		r := replay(t, path)
		if now := len(r.alerts) == 1; now != found {
			if found {
				t.Fatalf("cut at %d: the alert is gone again", n)
			}
			found = true
		}
	}
	if !found {
		t.Error("the whole capture gave no alert")
	}
}

// Chromium fills its hellos with GREASE ECH, over TCP and over QUIC: its
// server's name is the true one and is not said to be hidden.
func TestChromiumECHIsGREASE(t *testing.T) {
	for _, path := range []string{"../pcaps/chromium-tls.pcap", "../pcaps/chromium-quic.pcap"} {
		r := replay(t, path)
		if !strings.Contains(r.events, `{"tls.ech":"grease"}`) || strings.Contains(r.events, `{"tls.ech":"real"}`) || r.summary.ECH != 0 {
			t.Errorf("%s: %d flows hid their name\n%s", path, r.summary.ECH, r.events)
		}
	}
}

// A flow that two tools hit has its volume in the alerts of both: here the
// name of one and the ALPN of another in a single ClientHello, then requests
// for two tools on one connection to a proxy.
func TestFlowOfTwoTools(t *testing.T) {
	hello, sent := newWire(t, false), helloWith(t, relay, "anydesk/6.2.0/linux")
	hello.segment(99, true, nil)
	hello.segment(100, false, sent)
	proxy := newWire(t, false)
	proxy.segment(99, true, nil)
	first := "GET http://" + relay + "/a HTTP/1.1\r\nHost: " + relay + "\r\n\r\n"
	second := "GET http://relay-3185a847.net.anydesk.com/b HTTP/1.1\r\nHost: relay-3185a847.net.anydesk.com\r\n\r\n"
	proxy.segment(100, false, []byte(first))
	proxy.segment(100+uint32(len(first)), false, []byte(second))
	for _, c := range []struct {
		wire *wire
		sent int
	}{{hello, len(sent)}, {proxy, len(first + second)}} {
		r := replayFrames(t, c.wire.frames)
		if len(r.alerts) != 2 {
			t.Fatal(story(r.alerts))
		}
		for _, a := range r.alerts {
			if a.Flows != 1 || a.Up != uint64(c.sent) {
				t.Errorf("%s has %d flows and %d bytes of 1 and %d", a.Tool.ID, a.Flows, a.Up, c.sent)
			}
		}
	}
}
