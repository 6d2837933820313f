package misp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// Reasons why an event cannot say something.
const (
	omitDomain = "MISP's type domain means the name itself too; written with to_ids off"
	omitType   = "MISP has no attribute type for it"
	omitWhole  = "MISP compares whole values"
)

type outEvent struct {
	UUID         string         `json:"uuid"`
	Info         string         `json:"info"`
	Date         string         `json:"date"`
	Timestamp    string         `json:"timestamp"`
	ThreatLevel  string         `json:"threat_level_id"` // 4: undefined
	Analysis     string         `json:"analysis"`        // 2: completed
	Distribution string         `json:"distribution"`    // 0: this organisation only, until somebody decides
	Published    bool           `json:"published"`
	Tag          []outTag       `json:"Tag"`
	Attribute    []outAttribute `json:"Attribute"`
}

type outTag struct {
	Name string `json:"name"`
}

type outAttribute struct {
	UUID         string   `json:"uuid"`
	Type         string   `json:"type"`
	Category     string   `json:"category"`
	Value        string   `json:"value"`
	ToIDS        bool     `json:"to_ids"`
	Comment      string   `json:"comment"`
	Timestamp    string   `json:"timestamp"`
	Distribution string   `json:"distribution"` // 5: as the event
	Tag          []outTag `json:"Tag"`
}

// Export writes rmmwatch.misp.json, one event with an attribute for each value.
// What MISP would take for more than it is has to_ids off, and is accounted for
// as left out.
func Export(e *intel.Export) ([]intel.ExportFile, error) {
	stamp := strconv.FormatInt(e.Date.Unix(), 10)
	ev := outEvent{
		UUID: intel.UUID("misp", "event"), Info: "Remote-access tools, rmmwatch rule set " + e.Version,
		Date: e.Date.Format(time.DateOnly), Timestamp: stamp, ThreatLevel: "4", Analysis: "2", Distribution: "0",
		Tag: []outTag{{"rmmwatch:rules=\"" + e.Version + "\""}}, Attribute: []outAttribute{},
	}
	for i := range e.Tools {
		t := &e.Tools[i]
		for _, in := range t.Chosen {
			ev.Attribute = append(ev.Attribute, outAttributes(e, t, in, stamp)...)
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	err := enc.Encode(map[string]outEvent{"Event": ev})
	return []intel.ExportFile{{Name: "rmmwatch.misp.json", Data: b.Bytes()}}, err
}

func outAttributes(e *intel.Export, t *intel.ExportTool, in *detect.Indicator, stamp string) (out []outAttribute) {
	add := func(typ, value string, ids bool) {
		a := outAttribute{
			UUID: intel.UUID("misp", t.ID, in.ID, typ, value), Type: typ, Category: "Network activity", Value: value, ToIDS: ids,
			Comment: outComment(in), Timestamp: stamp, Distribution: "5",
			Tag: []outTag{{`rmmwatch:tool="` + t.ID + `"`}, {`rmmwatch:confidence="` + in.Confidence.String() + `"`}},
		}
		if in.Role != "" {
			a.Tag = append(a.Tag, outTag{`rmmwatch:role="` + in.Role + `"`})
		}
		out = append(out, a)
	}
	switch intel.Matchers(in) {
	case "domain":
		n := t.Names(in)
		outDomains(e, in, &n, add)
	case "ip":
		for _, p := range in.IP {
			value := p.String()
			if p.IsSingleIP() {
				value = p.Addr().String()
			}
			add("ip-dst", value, true)
		}
	case "tls.ja3":
		for _, v := range in.TLS.JA3 {
			add("ja3-fingerprint-md5", v, true)
		}
	case "http.agent":
		for _, v := range in.HTTP.Agent {
			if strings.ContainsAny(v, "*?") {
				e.Omit(in, v, omitWhole)
			} else {
				add("user-agent", v, true)
			}
		}
	default:
		e.OmitOther(in, intel.Matchers(in), omitType)
	}
	return out
}

// outDomains writes exact names as hostname, and a name with everything below it
// as domain.
func outDomains(e *intel.Export, in *detect.Indicator, n *intel.Names, add func(typ, value string, ids bool)) {
	for i := range n.Patterns {
		p := &n.Patterns[i]
		except := n.ExceptFor(p)
		switch {
		case p.Exact() && n.Both(p.Text) && except == nil:
			if !slices.ContainsFunc(n.Except, func(x string) bool { return strings.HasSuffix(x, "."+p.Text) }) {
				continue // the domain below says both
			}
			add("hostname", p.Text, true)
		case p.Exact():
			add("hostname", p.Text, true)
		case p.Below() && n.Both(p.Literal) && except == nil:
			add("domain", p.Literal, true)
		case p.Below():
			add("domain", p.Literal, false)
			e.Omit(in, p.Text, omitDomain)
		default:
			e.Omit(in, p.Text, intel.OmitGlob)
		}
	}
}

func outComment(in *detect.Indicator) string {
	s := fmt.Sprintf("%s: %s, confidence %s", intel.Clean(in.Tool.Name, 200), in.ID, in.Confidence)
	if in.Role != "" {
		s += ", role " + in.Role
	}
	return s
}
