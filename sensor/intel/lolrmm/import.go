package lolrmm

import (
	"cmp"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// Import reads one YAML file of the catalogue. Its network artifacts are under
// Artifacts: Network (Domains and Ports, or Domain and Port as the catalogue's
// JSON Schema has them) and Artifacts: Other; a file without any is an entry,
// too.
func Import(file string, data []byte) (out []intel.Entry) {
	docs, err := intel.YAML(data)
	if err != nil {
		line, msg := intel.LineOf(err)
		return []intel.Entry{intel.Broken(file, line, "%s", msg)}
	}
	if len(docs) != 1 || docs[0].Kind != yaml.MappingNode || intel.Scalar(docs[0], "Name") == "" {
		return []intel.Entry{intel.Broken(file, 1, "not a file of the LOLRMM catalogue: expected one document with Name and Artifacts")}
	}
	r := reader{file: file, tool: tool(file, docs[0])}
	artifacts := intel.Key(docs[0], "Artifacts")
	if network := intel.Key(artifacts, "Network"); network != nil {
		for _, item := range network.Content {
			r.network(item)
		}
	}
	if other := intel.Key(artifacts, "Other"); other != nil {
		for _, item := range other.Content {
			r.other(item)
		}
	}
	if r.out == nil {
		e := intel.Entry{Text: r.tool.Name, File: file, Line: docs[0].Line, Tool: r.tool}
		r.out = append(r.out, e.Quarantine(intel.NotObservable, "no network artifact: only files, processes or registry keys"))
	}
	return r.out
}

// tool is what a file says about the tool. Its id is the name of the file, as
// in the catalogue's own links.
func tool(file string, doc *yaml.Node) intel.Tool {
	base := filepath.Base(file)
	id := strings.TrimSuffix(base, filepath.Ext(base))
	t := intel.Tool{ID: id, LOLRMM: id, Name: cmp.Or(intel.Scalar(doc, "Name"), id), Attack: []string{"T1219"}, Class: "rmm"}
	// The catalogue calls a tool RAT or RMM without a system; neither is malware.
	category := strings.ToLower(intel.Scalar(doc, "Category"))
	switch {
	case strings.Contains(category, "tunnel"):
		t.Class = "tunnel"
	case strings.Contains(category, "vpn"):
		t.Class = "mesh-vpn"
	case strings.Contains(category, "rat") || strings.Contains(category, "remote"):
		t.Class = "remote-desktop"
	}
	site := strings.ToLower(intel.Scalar(intel.Key(doc, "Details"), "Website"))
	if _, rest, ok := strings.Cut(site, "://"); ok {
		t.Site, _, _ = strings.Cut(rest, "/")
	}
	return t
}

type reader struct {
	file string
	tool intel.Tool
	out  []intel.Entry
}

func (r *reader) entry(text string, line int) intel.Entry {
	return intel.Entry{Text: text, File: r.file, Line: line, Tool: r.tool, Source: "LOLRMM " + r.tool.ID}
}

// abuseRE finds blocks that list an intruder's servers among the vendor's.
var abuseRE = regexp.MustCompile(`(?i)\b(abus(e|ed|ing)|attacker|threat[- ]actor|adversar(y|ies)|malicious|campaign|phish(ing)?|intruder|ioc|c2|command[- ]and[- ]control)\b`)

// network reads one block of network artifacts.
func (r *reader) network(block *yaml.Node) {
	description := intel.Scalar(block, "Description")
	var domains, ports []*yaml.Node
	for _, key := range []string{"Domains", "Domain"} {
		domains = append(domains, intel.Values(intel.Key(block, key))...)
	}
	for _, key := range []string{"Ports", "Port"} {
		ports = append(ports, intel.Values(intel.Key(block, key))...)
	}
	for _, n := range domains {
		e := r.entry(n.Value, n.Line)
		switch e = e.AsHost(n.Value); {
		case e.Reason != "":
		case abuseRE.MatchString(description):
			e = e.Quarantine(intel.Attacker, "the block says that it lists an intruder's servers: %s", intel.Clean(description, 120))
		}
		r.out = append(r.out, e)
	}
	for _, n := range ports {
		r.port(n, len(domains) > 0)
	}
	if len(domains)+len(ports) == 0 {
		e := r.entry(cmp.Or(description, "(an empty block)"), block.Line)
		r.out = append(r.out, e.Quarantine(intel.NotObservable, "a block without domains and ports"))
	}
}

// port reads ports, as a number or as text: 443, 5900-5903, "8040 (TCP)", 3478/udp.
func (r *reader) port(n *yaml.Node, named bool) {
	low := strings.ToLower(n.Value)
	proto := uint8(6)
	if strings.Contains(low, "udp") {
		proto = 17
	}
	number := strings.TrimSpace(strings.NewReplacer("tcp", "", "udp", "", "/", "", "(", "", ")", "", ":", "").Replace(low))
	for part := range strings.SplitSeq(number, ",") {
		part = strings.TrimSpace(part)
		e := r.entry(n.Value, n.Line).AsPort(proto, part)
		switch {
		case e.Reason != "":
		case part == "53" || part == "80" || part == "443":
			e = e.Quarantine(intel.Shared, "everybody's port")
		case named:
			e.Say("the block's names are watched on any port")
		}
		r.out = append(r.out, e)
	}
}

// other reads an artifact of another kind: most show on the host alone.
func (r *reader) other(item *yaml.Node) {
	typ, value := intel.Scalar(item, "Type"), intel.Scalar(item, "Value")
	e := r.entry(cmp.Or(value, typ, "(an empty artifact)"), item.Line)
	switch strings.ToLower(strings.NewReplacer("-", "", " ", "", "_", "").Replace(typ)) {
	case "useragent":
		e = e.AsAgent(value, true)
	case "ip", "ipaddress":
		// Every address in the catalogue's Other lists is from an incident report.
		e = e.Quarantine(intel.Attacker, "an address outside the network artifacts: from an incident report, not the vendor's")
	case "domain", "hostname":
		e = e.AsHost(value)
	case "ja3":
		e = e.AsJA3(value)
	case "ja4":
		e = e.AsJA4(value)
	default:
		e = e.Quarantine(intel.NotObservable, "an artifact of type %s is on the host", intel.Clean(cmp.Or(typ, "none"), 40))
	}
	r.out = append(r.out, e)
}
