package suricata

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// Reasons why Suricata 7 cannot say something.
const (
	omitBuffer   = "Suricata 7 has no buffer for it"
	omitPayloads = "more than two payloads, or two from either side"
	omitLoose    = "no whole byte of the payload is fixed"
	omitVaried   = "more than 64 rules for one indicator"
)

// maxVariants bounds the rules that lists of alternatives multiply to.
const maxVariants = 64

// outRule is one signature before it has a number.
type outRule struct {
	in     *detect.Indicator
	seen   string // where it looks, for the message: DNS, TLS ...
	head   string // protocol, addresses, ports
	flow   string // without flow:
	body   string // options, each with its semicolon
	silent bool   // it only sets a flow bit
	key    string // what the number is made of: stable as long as the rule means the same
}

// Export writes a rules file for Suricata 7 and later: rules.rules.
//
// A domain is looked for in DNS questions, in the server names of TLS and QUIC
// and in HTTP hosts, a rule for each. Rule numbers are from the range for local
// rules, see number.
func Export(e *intel.Export) ([]intel.ExportFile, error) {
	var rules []outRule
	for i := range e.Tools {
		t := &e.Tools[i]
		for _, in := range t.Chosen {
			left := len(e.Omissions())
			more := outIndicator(e, t, in)
			if more == nil && len(e.Omissions()) == left {
				e.Omit(in, "", intel.OmitCombined) // its ports are not those of any place where it shows
			}
			rules = append(rules, more...)
		}
	}
	sids := outNumber(rules)
	var b bytes.Buffer
	fmt.Fprintf(&b, "# rmmwatch rule set %s: %d rules for Suricata 7 and later.\n", e.Version, len(rules))
	b.WriteString("# The sids are from the range for local rules (1000000 to 1999999) and stay the same as long as the rule does.\n")
	for _, line := range e.Summary() {
		b.WriteString("# " + line + "\n")
	}
	for i := range rules {
		rules[i].write(&b, sids[i])
	}
	return []intel.ExportFile{{Name: "rmmwatch.rules", Data: b.Bytes()}}, nil
}

// outIndicator returns the rules for in, and notes in e what they do not say.
func outIndicator(e *intel.Export, t *intel.ExportTool, in *detect.Indicator) []outRule {
	matchers := strings.Split(intel.Matchers(in), "+")
	has := func(outNames ...string) bool { // in has matchers of names only
		for _, m := range matchers {
			ok := false
			for _, n := range outNames {
				ok = ok || m == n || strings.HasSuffix(n, "*") && strings.HasPrefix(m, n[:len(n)-1])
			}
			if !ok {
				return false
			}
		}
		return true
	}
	for _, m := range matchers {
		switch m {
		case "tls.alpn", "tls.san", "tls.no_sni":
			e.Omit(in, m, omitBuffer)
			return nil
		}
	}
	switch {
	case has("port"):
		e.OmitOther(in, "port", omitBuffer)
	case has("ip", "port"):
		return outAddresses(in)
	case has("domain", "ip", "port"):
		return outNames(e, t, in)
	case has("payload", "ip", "port"):
		return outPayloads(e, in)
	case has("http.method", "http.host", "http.path", "http.agent", "ip", "port"):
		return outProduct(e, in, "HTTP", "http", "established,to_server", outRequest(in))
	case has("tls.subject", "tls.issuer", "ip", "port"):
		return outProduct(e, in, "certificate", "tls", "established,to_client", outCertificate(in))
	case has("tls.ja3", "tls.ja4", "ip", "port"):
		return outProduct(e, in, "TLS", "tls", "established,to_server", outHello(in))
	default:
		e.OmitOther(in, intel.Matchers(in), omitBuffer)
	}
	return nil
}

// outAddresses is a rule for the server's addresses, with or without a port.
func outAddresses(in *detect.Indicator) (out []outRule) {
	// One alert an hour and client: there is no packet of a session that only
	// comes once.
	const limit = "threshold:type limit, track by_src, seconds 3600, count 1; "
	if len(in.Port) == 0 {
		return []outRule{{in: in, seen: "address", head: "ip any any -> " + outHosts(in) + " any", flow: "to_server", body: limit, key: "ip"}}
	}
	for _, proto := range []string{"tcp", "udp"} {
		if outPorts := outPorts(in, proto); outPorts != "" {
			out = append(out, outRule{in: in, seen: "address", head: proto + " any any -> " + outHosts(in) + " " + outPorts, flow: "to_server", body: limit, key: "ip " + proto})
		}
	}
	return out
}

// outHosts is the addresses of in as Suricata writes a list, any for none.
func outHosts(in *detect.Indicator) string {
	var list []string
	for _, p := range in.IP {
		list = append(list, p.String())
	}
	return outGroup(list)
}

// outPorts is the ports of in for a protocol, any for none, and empty if in is
// only for ports of the other protocol.
func outPorts(in *detect.Indicator, proto string) string {
	var list []string
	for _, p := range in.Port {
		if v, ok := strings.CutPrefix(p.String(), proto+"/"); ok {
			list = append(list, strings.ReplaceAll(v, "-", ":"))
		}
	}
	if len(in.Port) > 0 && list == nil {
		return ""
	}
	return outGroup(list)
}

func outGroup(list []string) string {
	switch len(list) {
	case 0:
		return "any"
	case 1:
		return list[0]
	}
	return "[" + strings.Join(list, ",") + "]"
}

// outHead is the header of a rule that looks at what the client sends, or at what
// the server does; empty if the ports of in rule it out.
func outHead(in *detect.Indicator, app, transport string, fromServer bool) string {
	p := outPorts(in, transport)
	switch {
	case p == "":
		return ""
	case fromServer:
		return app + " " + outHosts(in) + " " + p + " -> any any"
	}
	return app + " any any -> " + outHosts(in) + " " + p
}

// outProduct makes a rule of each combination of alternatives.
func outProduct(e *intel.Export, in *detect.Indicator, seen, app, flow string, options [][]string) (out []outRule) {
	h := outHead(in, app, "tcp", strings.HasSuffix(flow, "to_client"))
	combined := []string{""}
	for _, alternatives := range options {
		var next []string
		for _, c := range combined {
			for _, a := range alternatives {
				next = append(next, c+a)
			}
		}
		if combined = next; len(combined) > maxVariants {
			e.Omit(in, "", omitVaried)
			return nil
		}
	}
	if h == "" {
		e.Omit(in, "", intel.OmitCombined)
		return nil
	}
	for _, body := range combined {
		out = append(out, outRule{in: in, seen: seen, head: h, flow: flow, body: body, key: body})
	}
	return out
}

// write appends the rule as a line.
func (r *outRule) write(b *bytes.Buffer, sid uint32) {
	t := r.in.Tool
	fmt.Fprintf(b, "alert %s (msg:\"RMM %s %s (%s)\"; ", r.head, outMessage(t.Name), outMessage(r.in.ID), r.seen)
	if r.flow != "" {
		b.WriteString("flow:" + r.flow + "; ")
	}
	b.WriteString(r.body)
	if r.silent {
		b.WriteString("noalert; ")
	}
	fmt.Fprintf(b, "classtype:%s; sid:%d; rev:1; metadata:%s;)\n", outClasstype(r.in), sid, outMetadata(r.in))
}

// outClasstype is one of those of Suricata's own classification.config.
func outClasstype(in *detect.Indicator) string {
	switch {
	case in.Tool.Class == "rat":
		return "trojan-activity"
	case in.Confidence == detect.Low:
		return "misc-activity"
	}
	return "policy-violation"
}

// outMetadata says whose rule it is. Every value is an identifier by the rule
// loader's gate and needs no escape.
func outMetadata(in *detect.Indicator) string {
	items := []string{"rmm_tool " + in.Tool.ID, "rmm_class " + in.Tool.Class, "rmm_indicator " + in.ID}
	if in.Role != "" {
		items = append(items, "rmm_role "+in.Role)
	}
	items = append(items, "rmm_confidence "+in.Confidence.String())
	for _, a := range in.Tool.Attack {
		items = append(items, "mitre_technique_id "+a)
	}
	return strings.Join(items, ", ")
}

// outMessage is text for msg, where every character that means something in a
// rule, or is not printable ASCII, is a blank.
func outMessage(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`;"\:|`, r) {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}
