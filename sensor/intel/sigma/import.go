package sigma

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// fields are what logs call what a rule file can look for. A field that is not
// here does not show on the network.
var fields = map[string]string{
	"query": "name", "queryname": "name", "dns.question.name": "name", "record": "name", "question": "name", "dns.query.name": "name",
	"cs-host": "name", "r-dns": "name", "host": "name", "destinationhostname": "name", "dst_host": "name", "destination.domain": "name",
	"server_name": "name", "tls.client.server_name": "name", "url.domain": "name", "dst_hostname": "name", "c-uri-host": "name",
	"dst_ip": "address", "destinationip": "address", "dst-ip": "address", "id.resp_h": "address", "destination.ip": "address", "r-ip": "address",
	"dst_port": "port", "destinationport": "port", "dst-port": "port", "id.resp_p": "port", "destination.port": "port", "r-port": "port",
	"c-uri": "path", "cs-uri-stem": "path", "uri": "path", "cs-uri": "path", "c-uri-stem": "path", "cs-uri-query": "path", "c-uri-query": "path",
	"c-useragent": "agent", "cs-user-agent": "agent", "user_agent": "agent", "cs(user-agent)": "agent", "user_agent.original": "agent",
	"cs-method": "method", "method": "method", "ja3": "ja3", "tls.client.ja3": "ja3", "ja4": "ja4",
	"protocol": "protocol", "proto": "protocol",
}

// sources are the categories, products and services of logs that tell of the
// network.
var sources = []string{"dns", "dns_query", "proxy", "firewall", "network_connection", "network", "webserver", "zeek", "http", "ssl", "conn"}

// Import reads a file of rules: each document is one.
func Import(file string, data []byte) (out []intel.Entry) {
	docs, err := intel.YAML(data)
	if err != nil {
		line, msg := intel.LineOf(err)
		return []intel.Entry{intel.Broken(file, line, "%s", msg)}
	}
	for _, doc := range docs {
		out = append(out, rule(file, doc)...)
	}
	if out == nil {
		out = append(out, intel.Broken(file, 1, "no rule is there"))
	}
	return out
}

var (
	rmmRE    = regexp.MustCompile(`^Potential (.+) RMM Tool (Network|DNS) Activity$`) // as LOLRMM names those that it generates
	attackRE = regexp.MustCompile(`^attack\.(t[0-9]{4}(\.[0-9]{3})?)$`)
	exportRE = regexp.MustCompile(`^rmmwatch_([a-z0-9-]+)_(dns|proxy|request|firewall)_(low|medium|high)\.yml$`)

	exportTitleRE = regexp.MustCompile(` \([A-Za-z]+ log, (low|medium|high) confidence\)$`)
)

// rule is the entries of one document.
func rule(file string, doc *yaml.Node) []intel.Entry {
	title := intel.Scalar(doc, "title")
	base := intel.Entry{Text: cmp.Or(title, "(a rule without a title)"), File: file, Line: doc.Line, Source: cmp.Or("Sigma "+intel.Scalar(doc, "id"), file)}
	base.Tool = intel.Tool{Name: title}
	if m := rmmRE.FindStringSubmatch(title); m != nil {
		base.Tool.Name = m[1]
	}
	if m := exportRE.FindStringSubmatch(file[strings.LastIndexByte(file, '/')+1:]); m != nil {
		base.Tool.ID, base.Tool.Name, base.Source = m[1], exportTitleRE.ReplaceAllString(title, ""), ""
		base.Confidence, _ = detect.ParseConfidence(m[3])
	}
	for _, tag := range intel.Values(intel.Key(doc, "tags")) {
		if m := attackRE.FindStringSubmatch(tag.Value); m != nil {
			base.Tool.Attack = append(base.Tool.Attack, strings.ToUpper(m[1]))
		}
	}
	detection, logsource := intel.Key(doc, "detection"), intel.Key(doc, "logsource")
	switch {
	case intel.Key(doc, "correlation") != nil:
		return []intel.Entry{base.Quarantine(intel.Unsupported, "a correlation of rules")}
	case detection == nil || detection.Kind != yaml.MappingNode || title == "":
		return []intel.Entry{base.Quarantine(intel.Syntax, "not a Sigma rule: no title or no detection")}
	case slices.Contains([]string{"deprecated", "unsupported"}, intel.Scalar(doc, "status")):
		return []intel.Entry{base.Quarantine(intel.Withdrawn, "its status is %s", intel.Scalar(doc, "status"))}
	}
	ok := false
	for _, key := range []string{"category", "product", "service"} {
		ok = ok || slices.Contains(sources, strings.ToLower(intel.Scalar(logsource, key)))
	}
	if !ok {
		return []intel.Entry{base.Quarantine(intel.NotObservable, "a log of %s tells of hosts, not of the network",
			intel.Clean(cmp.Or(intel.Scalar(logsource, "category"), intel.Scalar(logsource, "service"), intel.Scalar(logsource, "product"), "nothing"), 40))}
	}
	r := &reader{base: base, detection: detection}
	return r.rule()
}

// reader walks the detection of one rule.
type reader struct {
	base      intel.Entry
	detection *yaml.Node
	out       []intel.Entry
}

func (r *reader) rule() []intel.Entry {
	conditions := intel.Values(intel.Key(r.detection, "condition"))
	if len(conditions) != 1 {
		return []intel.Entry{r.base.Quarantine(intel.Unsupported, "%d conditions", len(conditions))}
	}
	var names []string
	for i := 0; i+1 < len(r.detection.Content); i += 2 {
		if n := r.detection.Content[i].Value; n != "condition" && n != "timeframe" {
			names = append(names, n)
		}
	}
	want, err := parseCondition(conditions[0].Value, names)
	if err != nil {
		return []intel.Entry{r.base.Quarantine(intel.Unsupported, "the condition %q: %v", intel.Clean(conditions[0].Value, 80), err)}
	}
	var except []string
	dropped := false
	for _, name := range want.not {
		list, ok := r.filter(name)
		except = append(except, list...)
		dropped = dropped || !ok
	}
	first := len(r.out)
	for _, all := range want.any {
		r.all(all)
	}
	if dropped {
		for i := first; i < len(r.out); i++ {
			r.out[i].Say("a filter on the host was dropped")
			r.out[i].Confidence = detect.Low
		}
	}
	r.out = append(r.out, r.base.Except(except)...)
	if r.out == nil {
		r.out = append(r.out, r.base.Quarantine(intel.Syntax, "its selections are empty"))
	}
	return r.out
}

// filter reads a search that must not hold: names that are left out. Other
// filters are told as entries that could not be taken over.
func (r *reader) filter(name string) (names []string, ok bool) {
	for _, m := range maps(intel.Key(r.detection, name)) {
		for i := 0; i+1 < len(m.Content); i += 2 {
			key, mods := splitKey(m.Content[i].Value)
			values := intel.Values(m.Content[i+1])
			if fields[key] == "name" && len(mods) == 0 && len(m.Content) == 2 {
				for _, v := range values {
					names = append(names, v.Value)
				}
				continue
			}
			e := r.base
			e.Text, e.Line = name+": "+m.Content[i].Value, m.Content[i].Line
			reason, detail := intel.NotObservable, "a filter on what only the host knows"
			if fields[key] != "" {
				reason, detail = intel.Unsupported, "a filter that a rule file cannot say"
			}
			r.out = append(r.out, e.Quarantine(reason, "%s; without it the rule says more, and has confidence low", detail))
			return nil, false
		}
	}
	return names, true
}
