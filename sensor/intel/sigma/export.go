package sigma

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

const omitLog = "no log source that Sigma knows everywhere shows it"

// outDocument is one rule, its keys in the order that Sigma's own rules have.
type outDocument struct {
	Title          string            `yaml:"title"`
	ID             string            `yaml:"id"`
	Status         string            `yaml:"status"`
	Description    string            `yaml:"description"`
	Author         string            `yaml:"author"`
	Date           string            `yaml:"date"`
	Tags           []string          `yaml:"tags,omitempty"`
	Logsource      map[string]string `yaml:"logsource"`
	Detection      yaml.Node         `yaml:"detection"`
	Falsepositives []string          `yaml:"falsepositives"`
	Level          string            `yaml:"level"`
}

// outLog is a log source, and the field that holds a host name in it.
type outLog struct{ category, what, name string }

// outLogs in the order of the files; the importer knows the second words.
var outLogs = []outLog{
	{"dns", "DNS", "query"},
	{"proxy", "proxy", "cs-host"},
	{"proxy", "request", ""}, // apart, since names that must not match say nothing of requests
	{"firewall", "firewall", ""},
}

// outSearch is one search identifier: alternatives, each of which is fields that
// must all match.
type outSearch struct {
	name string
	any  []outFields
}

type outFields []outField

type outField struct {
	key    string
	values []string
}

// Export writes a file for each tool, log source and confidence. A rule's
// searches are named after the indicators.
func Export(e *intel.Export) ([]intel.ExportFile, error) {
	var files []intel.ExportFile
	for i := range e.Tools {
		t := &e.Tools[i]
		for _, in := range t.Chosen {
			outOmit(e, t, in)
		}
		for _, c := range []detect.Confidence{detect.High, detect.Medium, detect.Low} {
			for _, log := range outLogs {
				searches, except := outCollect(t, c, log.category, log.name)
				if searches == nil {
					continue
				}
				data, err := outRender(e, t, c, log, outDetection(searches, except, log.name))
				if err != nil {
					return nil, fmt.Errorf("sigma: %s: %w", t.ID, err)
				}
				files = append(files, intel.ExportFile{Name: fmt.Sprintf("rmmwatch_%s_%s_%s.yml", t.ID, strings.ToLower(log.what), c), Data: data})
			}
		}
	}
	return files, nil
}

// outOmit notes what no log source shows.
func outOmit(e *intel.Export, t *intel.ExportTool, in *detect.Indicator) {
	if !slices.ContainsFunc(outLogs[:], func(l outLog) bool { return outOf(t, in, l.category, l.name) != nil }) {
		e.OmitOther(in, intel.Matchers(in), omitLog)
	}
}

// outCollect is the searches in a log source for the indicators of a confidence,
// with the names that they would cover and must not.
func outCollect(t *intel.ExportTool, c detect.Confidence, category, name string) (out []outSearch, except []string) {
	for _, in := range t.Chosen {
		if in.Confidence != c {
			continue
		}
		if any := outOf(t, in, category, name); any != nil {
			out = append(out, outSearch{"selection_" + strings.ReplaceAll(in.ID, "-", "_"), any})
			if name != "" {
				n := t.Names(in)
				except = append(except, n.Except...)
			}
		}
	}
	slices.Sort(except)
	return out, slices.Compact(except)
}

// outOf is what to search for in a log source; nil if it does not show in.
func outOf(t *intel.ExportTool, in *detect.Indicator, category, name string) []outFields {
	m := intel.Matchers(in)
	switch {
	case m == "domain" && name != "":
		n := t.Names(in)
		return outNames(name, n.Patterns)
	case category == "proxy" && name == "" && slices.Contains([]string{"http.agent", "http.agent+http.path", "http.path", "http.method+http.path",
		"http.agent+http.method", "http.agent+http.method+http.path"}, m):
		return []outFields{outRequest(in)}
	case category == "firewall" && m == "ip":
		return []outFields{{{"dst_ip|cidr", outNetworks(in)}}}
	case category == "firewall" && m == "ip+port":
		if ports := outPorts(in); ports != nil {
			return []outFields{{{"dst_ip|cidr", outNetworks(in)}, {"dst_port", ports}}}
		}
	}
	return nil
}

// outNames is a list for each way to compare.
func outNames(key string, patterns []intel.NamePattern) (out []outFields) {
	var exact, below, re []string
	for i := range patterns {
		p := &patterns[i]
		switch {
		case p.Exact():
			exact = append(exact, p.Text)
		case p.Below():
			below = append(below, "."+p.Literal)
		default:
			re = append(re, p.Regexp())
		}
	}
	for _, f := range []outField{{key, exact}, {key + "|endswith", below}, {key + "|re|i", re}} {
		if f.values != nil {
			out = append(out, outFields{f})
		}
	}
	return out
}

// outRequest is the fields of a proxy's log. A proxy that carries TLS or plain
// requests writes the whole address where a server would see its path.
func outRequest(in *detect.Indicator) (out outFields) {
	if in.HTTP.Method != nil {
		out = append(out, outField{"cs-method", in.HTTP.Method})
	}
	if in.HTTP.Path != nil {
		var values []string
		for _, g := range in.HTTP.Path {
			address := `^(?:[a-z]+://[^/]+)?`
			if strings.HasPrefix(g, "*") {
				address = "^"
			}
			values = append(values, address+outExpression(g)+"$")
		}
		out = append(out, outField{"c-uri|re", values})
	}
	if in.HTTP.Agent != nil {
		var values []string
		for _, g := range in.HTTP.Agent {
			values = append(values, strings.ReplaceAll(g, `\`, `\\`))
		}
		out = append(out, outField{"c-useragent", values})
	}
	return out
}

// outExpression is a glob as a regular expression without anchors.
func outExpression(g string) string {
	return strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(g))
}

func outNetworks(in *detect.Indicator) (out []string) {
	for _, p := range in.IP {
		out = append(out, p.String())
	}
	return out
}

// outPorts is every port of in, nil if they are more than 64.
func outPorts(in *detect.Indicator) (out []string) {
	for _, p := range in.Port {
		for n := int(p.Lo); n <= int(p.Hi); n++ {
			if v := strconv.Itoa(n); !slices.Contains(out, v) {
				out = append(out, v)
			}
			if len(out) > 64 {
				return nil
			}
		}
	}
	return out
}

// outDetection is the searches and their condition, in this order.
func outDetection(searches []outSearch, except []string, name string) yaml.Node {
	n := yaml.Node{Kind: yaml.MappingNode}
	add := func(key string, v *yaml.Node) { n.Content = append(n.Content, outText(key), v) }
	for _, s := range searches {
		var alternatives []*yaml.Node
		for _, fs := range s.any {
			m := &yaml.Node{Kind: yaml.MappingNode}
			for _, f := range fs {
				m.Content = append(m.Content, outText(f.key), outList(f.values))
			}
			alternatives = append(alternatives, m)
		}
		if len(alternatives) == 1 {
			add(s.name, alternatives[0])
		} else {
			add(s.name, &yaml.Node{Kind: yaml.SequenceNode, Content: alternatives})
		}
	}
	condition := searches[0].name
	if len(searches) > 1 {
		condition = "1 of selection_*"
	}
	if except != nil {
		m := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{outText(name), outList(except)}}
		add("filter_other", m)
		condition += " and not filter_other"
	}
	add("condition", outText(condition))
	return n
}

func outList(values []string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for _, v := range values {
		n.Content = append(n.Content, outText(v))
	}
	return n
}

// outText is a string whatever it looks like: the encoder puts quotes where YAML
// would read something else.
func outText(s string) *yaml.Node {
	var n yaml.Node
	n.SetString(s)
	return &n
}

func outRender(e *intel.Export, t *intel.ExportTool, c detect.Confidence, log outLog, detection yaml.Node) ([]byte, error) {
	name := intel.Clean(t.Name, 100)
	d := outDocument{
		Title:          fmt.Sprintf("%s (%s log, %s confidence)", name, log.what, c),
		ID:             intel.UUID("sigma", t.ID, log.what, c.String()),
		Status:         "test",
		Description:    name + " shows in the log.",
		Author:         "rmmwatch",
		Date:           e.Date.Format(time.DateOnly),
		Logsource:      map[string]string{"category": log.category},
		Detection:      detection,
		Falsepositives: []string{"Sanctioned use"},
		Level:          c.String(),
	}
	if t.Plain != "" {
		d.Description = intel.Clean(t.Plain, 1000)
	}
	for _, a := range t.Attack {
		d.Tags = append(d.Tags, "attack."+strings.ToLower(a))
	}
	if t.Class == "rat" {
		d.Falsepositives = []string{"Unlikely"}
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(4)
	if err := enc.Encode(&d); err != nil {
		return nil, err
	}
	return b.Bytes(), enc.Close()
}
