package detect

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/magic"
)

// ruleTest is one item of a file's tests: the fields of one flow, and what
// they must or must not match.
type ruleTest struct {
	at        position
	name      string
	indicator string
	*rareTest // noRare in most tests: imported lists have a hundred thousand
}

// rareTest is what few tests say.
type rareTest struct {
	ip      netip.Addr
	asn     uint32
	port    PortRange
	payload []magic.Pattern // Value is what the flow begins with
	hello   *Fields         // fields of a ClientHello
	cert    *Fields         // fields of a certificate
	request *Fields         // fields of an HTTP request
	tenant  string
}

var noRare rareTest

// compact forgets the room for what the test does not say.
func (c *ruleTest) compact() {
	t := c.rareTest
	if !t.ip.IsValid() && t.asn == 0 && t.port.Proto == 0 && t.payload == nil && t.hello == nil && t.cert == nil && t.request == nil && t.tenant == "" {
		c.rareTest = &noRare
		return
	}
	kept := *t
	c.rareTest = &kept
}

func (r *fileReader) tests(n *yaml.Node, t *Tool) {
	r.mapping(n, "tests", []key{
		{"match", true, func(n *yaml.Node) { t.match = r.testList(n, "match", true) }},
		{"no_match", true, func(n *yaml.Node) { t.noMatch = r.testList(n, "no_match", false) }},
	})
}

func (r *fileReader) testList(n *yaml.Node, what string, match bool) (out []ruleTest) {
	items := r.sequence(n, what, "one flow an item: - {name: ...}")
	if len(items) > maxTests {
		r.fail(n, "at most 10,000", "%s has %d items", what, len(items))
		return nil
	}
	var c ruleTest
	keys := []key{
		{"name", false, func(n *yaml.Node) { c.name = r.text(n, "name") }},
		{"ip", false, func(n *yaml.Node) { c.ip = r.address(n) }},
		{"asn", false, func(n *yaml.Node) { c.asn = r.asn(n) }},
		{"port", false, func(n *yaml.Node) { c.port = r.port(n) }},
		{"payload", false, func(n *yaml.Node) { c.payload = r.testPayloads(n) }},
		{"tls", false, func(n *yaml.Node) { r.testTLS(n, &c) }},
		{"http", false, func(n *yaml.Node) { r.testHTTP(n, &c) }},
		{"indicator", match, func(n *yaml.Node) { c.indicator = r.ident(n, "indicator") }},
	}
	if match {
		keys = append(keys, key{"tenant", false, func(n *yaml.Node) { c.tenant = r.text(n, "tenant") }})
	}
	out = make([]ruleTest, 0, len(items))
	var rare rareTest
	for _, v := range items {
		rare = rareTest{}
		c = ruleTest{at: at(v), rareTest: &rare}
		if match && r.hits == nil {
			r.hits = make(map[string]bool)
		}
		broken := r.bad(func() { r.mapping(v, "an item of "+what, keys) })
		if match {
			r.hits[c.indicator] = true // of a broken item, too: it is meant to be hit
		}
		if broken {
			continue
		}
		if c.empty() {
			r.fail(v, "expected name, ip, asn, port, payload, tls or http", "the test describes no flow")
			continue
		}
		if c.name != "" && c.hello != nil && c.hello.NoSNI {
			r.fail(v, "remove one of them", "the test has a name and no_sni")
			continue
		}
		c.compact()
		out = append(out, c)
	}
	return out
}

func (c *ruleTest) empty() bool {
	return c.name == "" && !c.ip.IsValid() && c.asn == 0 && c.port.Proto == 0 && c.payload == nil &&
		c.hello == nil && c.cert == nil && c.request == nil
}

func (r *fileReader) address(n *yaml.Node) netip.Addr {
	s := r.text(n, "ip")
	if s == "" {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		r.fail(n, "expected one address such as 192.0.2.1", "bad address %s", quote(s))
	}
	return addr
}

func (r *fileReader) port(n *yaml.Node) PortRange {
	s := r.text(n, "port")
	if s == "" {
		return PortRange{}
	}
	p, msg, _ := parsePorts(s)
	if msg != "" || p.Lo != p.Hi {
		r.fail(n, "expected one port such as tcp/8041", "bad port %s", quote(s))
	}
	return p
}

func (r *fileReader) testPayloads(n *yaml.Node) (out []magic.Pattern) {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = r.sequence(n, "payload", "")
	}
	for _, v := range items {
		var m magic.Pattern
		r.mapping(v, "a test's payload", []key{
			{"proto", true, func(n *yaml.Node) { m.Proto = protoNumber(r.oneOf(n, "proto", []string{"tcp", "udp"})) }},
			{"from", true, func(n *yaml.Node) { m.From = side(r.oneOf(n, "from", []string{"client", "server"})) }},
			{"hex", false, func(n *yaml.Node) { m.Value = r.plainHex(n, "a test's bytes", r.text(n, "hex")) }},
			{"text", false, func(n *yaml.Node) { m.Value = []byte(r.rawText(n, "text")) }},
			{"size", false, func(n *yaml.Node) { m.Size = uint32(r.number(n, "size", 1, 65507)) }},
		})
		if m.Value == nil {
			r.fail(v, "", "a test's payload needs hex or text")
		}
		if m.Proto == protoTCP && m.Size > magic.MaxMessage {
			r.fail(v, "at most 4096 for tcp", "size is %d", m.Size)
		} else if m.Proto == protoTCP { // a stream has no size but what was sent
			m.Value = append(m.Value, make([]byte, max(int(m.Size)-len(m.Value), 0))...)
		}
		m.Size = max(m.Size, uint32(len(m.Value)))
		out = append(out, m)
	}
	return out
}

func (r *fileReader) testTLS(n *yaml.Node, c *ruleTest) {
	hello, cert := &Fields{Kind: KindSNI}, &Fields{Kind: KindCert}
	sayHello := func() { c.hello = hello }
	sayCert := func() { c.cert = cert }
	r.something(n, "a test's tls", []key{
		{"alpn", false, func(n *yaml.Node) { hello.ALPN = r.oneOrMore(n, "alpn"); sayHello() }},
		{"ja3", false, func(n *yaml.Node) { hello.JA3 = []byte(r.text(n, "ja3")); sayHello() }},
		{"ja4", false, func(n *yaml.Node) { hello.JA4 = []byte(r.text(n, "ja4")); sayHello() }},
		{"no_sni", false, func(n *yaml.Node) { hello.NoSNI = r.yes(n, "no_sni"); sayHello() }},
		{"subject", false, func(n *yaml.Node) { cert.Subject = r.attributes(n, "subject"); sayCert() }},
		{"issuer", false, func(n *yaml.Node) { cert.Issuer = r.attributes(n, "issuer"); sayCert() }},
		{"san", false, func(n *yaml.Node) { cert.SAN = r.oneOrMore(n, "san"); sayCert() }},
	})
	cert.Names = append(cert.Names, cert.SAN...)
	for _, a := range cert.Subject {
		if equalFold(a.Type, "cn") {
			cert.Names = append(cert.Names, a.Value)
		}
	}
}

func (r *fileReader) testHTTP(n *yaml.Node, c *ruleTest) {
	f := &Fields{Kind: KindHTTP}
	set := func(what string, field *[]byte) key {
		return key{what, false, func(n *yaml.Node) { *field, c.request = []byte(r.text(n, what)), f }}
	}
	r.something(n, "a test's http", []key{
		set("method", &f.Method), set("host", &f.Host), set("path", &f.Path), set("agent", &f.Agent),
		set("upgrade", &f.Upgrade), set("websocket", &f.WebSocket),
	})
}

// oneOrMore reads text or a list of it.
func (r *fileReader) oneOrMore(n *yaml.Node, what string) (out [][]byte) {
	if n.Kind != yaml.SequenceNode {
		return [][]byte{[]byte(r.text(n, what))}
	}
	r.list(n, what, func(_ *yaml.Node, s string) { out = append(out, []byte(s)) })
	return out
}

func (r *fileReader) attributes(n *yaml.Node, what string) (out []Attribute) {
	s := r.text(n, what)
	if s == "" {
		return nil
	}
	parts, msg, hint := splitName(s)
	if msg != "" {
		r.fail(n, hint, "%s %s: %s", what, quote(s), msg)
	}
	for _, p := range parts {
		out = append(out, Attribute{[]byte(p[0]), []byte(p[1])})
	}
	return out
}

// TestResult is the outcome of one item of a file's tests.
type TestResult struct {
	Tool      *Tool
	Line, Col int
	Match     bool   // an item of match, otherwise of no_match
	Indicator string // what the item names, may be empty
	Problem   string // empty when the test passed
}

// RunTests runs the tests of every file of rs, in the order of Tools and of
// their lines. A Ruleset made by Load passes them all.
func RunTests(rs *Ruleset) []TestResult {
	var out []TestResult
	rs.eachTest(func(res TestResult) { out = append(out, res) })
	return out
}

// Tests is how many tests the files of rs have.
func (rs *Ruleset) Tests() (n int) {
	for _, t := range rs.tools {
		n += len(t.match) + len(t.noMatch)
	}
	return n
}

// eachTest runs the tests and hands on each result.
func (rs *Ruleset) eachTest(result func(TestResult)) {
	for _, t := range rs.tools {
		for i := range t.match {
			result(rs.runTest(t, &t.match[i], true))
		}
		for i := range t.noMatch {
			result(rs.runTest(t, &t.noMatch[i], false))
		}
	}
}

func (rs *Ruleset) runTest(t *Tool, c *ruleTest, match bool) TestResult {
	res := TestResult{Tool: t, Line: c.at.line, Col: c.at.col, Match: match, Indicator: c.indicator}
	var ids []string
	for _, h := range rs.flowHits(t, c) {
		if !h.Complete() {
			continue
		}
		ids = append(ids, h.Indicator.ID)
		if h.Indicator.ID != c.indicator {
			continue
		}
		if got := strings.ToLower(string(h.Tenant)); match && c.tenant != "" && got != strings.ToLower(c.tenant) {
			res.Problem = fmt.Sprintf("the tenant is %s, not %s", quote(got), quote(c.tenant))
		} else if !match {
			res.Problem = fmt.Sprintf("matches %s", quote(h.Indicator.ID))
		}
		return res
	}
	switch {
	case match && ids == nil:
		res.Problem = fmt.Sprintf("does not match %s", quote(c.indicator))
	case match:
		res.Problem = fmt.Sprintf("does not match %s, only %s", quote(c.indicator), strings.Join(ids, ", "))
	case c.indicator == "" && ids != nil:
		res.Problem = "matches " + strings.Join(ids, ", ")
	}
	return res
}

// flowHits does what a worker does with a flow: it shows Match each message
// and merges the hits of t, or of all tools when t is nil.
func (rs *Ruleset) flowHits(t *Tool, c *ruleTest) (out []Hit) {
	flow := Fields{ServerAddr: c.ip, ServerASN: c.asn, Proto: c.port.Proto, ServerPort: c.port.Lo}
	if flow.Proto == 0 && c.payload != nil {
		flow.Proto = c.payload[0].Proto
	}
	var held []Held    // of the hits in out
	var room [2]Fields // for most tests no more is needed
	for _, f := range rs.messages(c, room[:0]) {
		f.ServerAddr, f.ServerASN, f.Proto, f.ServerPort = flow.ServerAddr, flow.ServerASN, flow.Proto, flow.ServerPort
	next:
		for _, h := range rs.Match(&f, nil) {
			if t != nil && h.Indicator.Tool != t {
				continue
			}
			for i := range out {
				if out[i].Indicator == h.Indicator {
					if h.Join(&held[i]); !out[i].Complete() {
						out[i].Matched = h.Matched
					}
					if out[i].Tenant == nil {
						out[i].Tenant = bytes.Clone(h.Tenant)
					}
					continue next
				}
			}
			held = append(held, Held{})
			h.Join(&held[len(held)-1])
			out = append(out, h)
		}
	}
	return out
}

// messages appends to out the fields of each message of the test's flow.
func (rs *Ruleset) messages(c *ruleTest, out []Fields) []Fields {
	out = append(out, Fields{Kind: KindFlow})
	if c.hello != nil || c.name != "" && c.request == nil {
		f := Fields{Kind: KindSNI}
		if c.hello != nil {
			f = *c.hello
		}
		if c.name != "" {
			f.Names = [][]byte{[]byte(c.name)}
		}
		out = append(out, f)
	}
	if c.cert != nil {
		out = append(out, *c.cert)
	}
	if c.request != nil {
		f := *c.request
		if c.name != "" {
			f.Names = append(f.Names, []byte(c.name))
		}
		if f.Host != nil {
			f.Names = append(f.Names, f.Host)
		}
		out = append(out, f)
	}
	for i, m := range c.payload {
		msg := magic.Message{Proto: m.Proto, From: m.From, Head: m.Value, Size: m.Size, First: true}
		for _, earlier := range c.payload[:i] {
			msg.First = msg.First && earlier.From == m.From
		}
		hits, _ := rs.magic.Match(&msg, nil)
		out = append(out, Fields{Kind: KindPayload, Payload: hits})
	}
	return out
}
