package sensor_test

import (
	"encoding/json"
	"io"
	"math"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
)

// steps makes shares of a capture advance together: a frame is handed out when
// the workers of the others are done with all that came before it.
type steps struct {
	mu    sync.Mutex
	parts []*share
	at    []uint64 // number of the first frame that a part's worker is not done with
}

// step is one part of steps.
type step struct {
	*steps
	i int
}

func inStep(sources []capture.Source) (out []capture.Source) {
	s := &steps{}
	for i, src := range sources {
		s.parts = append(s.parts, src.(*share))
		s.at = append(s.at, 0)
		out = append(out, step{s, i})
	}
	return out
}

func (s step) ReadBatch(frames []capture.Frame) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	me := s.parts[s.i]
	s.at[s.i] = math.MaxUint64
	if len(me.frames) > 0 {
		s.at[s.i] = me.frames[0].Number
	}
	low := uint64(math.MaxUint64)
	for i, at := range s.at {
		if i != s.i {
			low = min(low, at)
		}
	}
	n := 0
	for n < min(len(frames), len(me.frames)) && me.frames[n].Number < low {
		frames[n] = me.frames[n]
		n++
	}
	me.frames = me.frames[n:]
	if n == 0 && len(me.frames) == 0 && low == math.MaxUint64 {
		return 0, io.EOF
	}
	if n == 0 {
		runtime.Gosched()
	}
	return n, nil
}

var dnsNameEvidence = regexp.MustCompile(`"kind=dns-name [^"]*",?`)

// withoutDNSNames leaves out of alerts what only an answer that another worker read
// can tell.
func withoutDNSNames(lines []string) (out []string) {
	for _, line := range lines {
		out = append(out, strings.ReplaceAll(dnsNameEvidence.ReplaceAllString(line, ""), ",]", "]"))
	}
	return out
}

// dependsOnDNS reports whether a bundled capture has flows that nothing else names,
// or that shows best of all.
func dependsOnDNS(path string) bool {
	name := filepath.Base(path)
	return strings.HasPrefix(name, "dns-names") || strings.HasPrefix(name, "ech-") || strings.HasPrefix(name, "rustdesk-")
}

// Workers that see an answer and the flow behind it apart give the alerts of one worker,
// where they are at the same packet.
func TestWorkersInStep(t *testing.T) {
	rs := ruleset(t)
	named := 0
	for _, path := range captures(t) {
		want := replayed(t, path, rs)
		if !strings.Contains(strings.Join(want, ""), "kind=dns-name") && !dependsOnDNS(path) {
			continue
		}
		named++
		for _, n := range []int{2, 5} {
			if got := closed(t, &sensor.Live{Sources: inStep(shares(t, path, n))}, rs, path); !slices.Equal(got, want) {
				t.Errorf("%s, %d workers:\n%s\nwant\n%s", path, n, strings.Join(got, ""), strings.Join(want, ""))
			}
		}
	}
	if named < 20 {
		t.Errorf("only %d captures have flows that DNS named", named)
	}
}

// late is a share that begins when another has no frames left.
type late struct {
	*share
	ahead *early
}

// early is a share that ends when the late one has ended.
type early struct {
	*share
	mu          sync.Mutex
	empty, over bool
}

func (s *early) ReadBatch(frames []capture.Frame) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := copy(frames, s.frames)
	s.frames = s.frames[n:]
	s.share.empty = 0
	if n == 0 {
		s.empty = true
		runtime.Gosched()
		if s.over {
			return 0, io.EOF
		}
	}
	return n, nil
}

func (s *late) ReadBatch(frames []capture.Frame) (int, error) {
	s.ahead.mu.Lock()
	defer s.ahead.mu.Unlock()
	if !s.ahead.empty {
		runtime.Gosched()
		return 0, nil
	}
	n := copy(frames, s.frames)
	s.frames = s.frames[n:]
	if n == 0 {
		s.ahead.over = true
		return 0, io.EOF
	}
	return n, nil
}

// A worker that reads the answer after another worker had the flow, as live ones do
// within a quarter of a second, still names the flow, with the packet that it is.
func TestNamedLate(t *testing.T) {
	rs := ruleset(t)
	for _, path := range []string{"../pcaps/ech-synthetic.pcap", "../pcaps/anydesk-synthetic.pcap"} {
		dns, rest := &share{}, &share{}
		var dec decode.Decoder
		var p decode.Packet
		for _, f := range shares(t, path, 1)[0].(*share).frames {
			dec.Decode(f.Link, f.Data, &p)
			if p.SrcPort == 53 || p.DstPort == 53 {
				dns.frames = append(dns.frames, f)
			} else {
				rest.frames = append(rest.frames, f)
			}
		}
		first := &early{share: rest}
		got := closed(t, &sensor.Live{Sources: []capture.Source{first, &late{dns, first}}}, rs, path)
		want := replayed(t, path, rs)
		if g, w := sortedEvidence(t, got), sortedEvidence(t, want); !slices.Equal(g, w) {
			t.Errorf("%s:\n%s\nwant\n%s", path, strings.Join(g, "\n"), strings.Join(w, "\n"))
		}
	}
}

// sortedEvidence is the evidence of all alerts with the volume of each, in no order of time.
func sortedEvidence(t *testing.T, lines []string) (out []string) {
	t.Helper()
	for _, line := range lines {
		var a struct {
			Alert struct {
				Metadata struct {
					ID       []string `json:"rmm_alert_id"`
					Flows    []string `json:"rmm_flows"`
					Evidence []string `json:"rmm_evidence"`
				} `json:"metadata"`
			} `json:"alert"`
			Flow struct {
				Up   uint64 `json:"bytes_toserver"`
				Down uint64 `json:"bytes_toclient"`
			} `json:"flow"`
		}
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatal(err)
		}
		slices.Sort(a.Alert.Metadata.Evidence)
		b, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	slices.Sort(out)
	return out
}
