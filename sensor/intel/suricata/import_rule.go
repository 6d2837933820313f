package suricata

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// inRule is a signature as it is written.
type inRule struct {
	proto, src, srcPorts, dst, dstPorts string
	options                             []inOption
}

type inOption struct{ name, value string }

// get is the value of the first option of a name.
func (r *inRule) get(name string) string {
	for _, o := range r.options {
		if o.name == name {
			return o.value
		}
	}
	return ""
}

// parseRule takes a line apart: action, header, options in brackets.
func parseRule(line string) (*inRule, error) {
	open := strings.IndexByte(line, '(')
	if open < 0 || !strings.HasSuffix(line, ")") {
		return nil, errors.New("no options in brackets")
	}
	head := headFields(line[:open])
	if len(head) != 7 || head[4] != "->" && head[4] != "<>" && head[4] != "=>" {
		return nil, errors.New("the header is not: action protocol address port -> address port")
	}
	r := &inRule{proto: head[1], src: head[2], srcPorts: head[3], dst: head[5], dstPorts: head[6]}
	rest := line[open+1 : len(line)-1]
	for {
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" {
			return r, nil
		}
		option, after, err := cutOption(rest)
		if err != nil {
			return nil, err
		}
		name, value, _ := strings.Cut(option, ":")
		r.options = append(r.options, inOption{strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)})
		rest = after
	}
}

// headFields are the fields of a header; blanks inside brackets separate none.
func headFields(s string) (out []string) {
	depth, field := 0, ""
	for _, c := range s + " " {
		switch {
		case (c == ' ' || c == '\t') && depth == 0:
			if field != "" {
				out = append(out, field)
			}
			field = ""
		case c == ' ' || c == '\t':
		default:
			if c == '[' {
				depth++
			} else if c == ']' {
				depth--
			}
			field += string(c)
		}
	}
	return out
}

// cutOption cuts s behind the semicolon that ends its first option: one that is
// neither in quotes nor behind a backslash.
func cutOption(s string) (option, rest string, err error) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ';' && !quoted:
			return s[:i], s[i+1:], nil
		}
	}
	return "", "", errors.New("an option without a semicolon at its end, or a quotation mark that nothing closes")
}

// inContent is a content or pcre option with what modifies it.
type inContent struct {
	buffer string // "" is the payload
	not    bool
	bytes  string // of a content
	regex  string // of a pcre
	mods   map[string]string
}

func (c *inContent) has(mod string) bool {
	_, ok := c.mods[mod]
	return ok
}

// modifiers stand behind a content and say where and how it must match.
var modifiers = map[string]bool{"nocase": true, "startswith": true, "endswith": true, "bsize": true, "depth": true, "offset": true,
	"distance": true, "within": true, "dotprefix": true, "fast_pattern": true, "isdataat": true, "rawbytes": true}

// buffers by the names that they go by, sticky or behind the content.
var inBuffers = map[string]string{
	"dns.query": "dns.query", "dns_query": "dns.query", "tls.sni": "tls.sni", "tls_sni": "tls.sni", "quic.sni": "quic.sni",
	"http.host": "http.host", "http_host": "http.host", "http.host.raw": "http.host", "http_raw_host": "http.host",
	"http.uri": "http.uri", "http_uri": "http.uri", "http.uri.raw": "http.uri", "http_raw_uri": "http.uri",
	"http.user_agent": "http.user_agent", "http_user_agent": "http.user_agent", "http.method": "http.method", "http_method": "http.method",
	"tls.cert_subject": "tls.cert_subject", "tls_cert_subject": "tls.cert_subject", "tls.cert_issuer": "tls.cert_issuer", "tls_cert_issuer": "tls.cert_issuer",
	"tls.subject": "tls.subject", "ja3.hash": "ja3.hash", "ja3_hash": "ja3.hash", "ja4.hash": "ja4.hash", "tls.alpn": "tls.alpn",
	"pkt_data": "", "raw_data": "",
}

// legacy are the buffers that are named behind the content.
var legacy = map[string]bool{"http_host": true, "http_raw_host": true, "http_uri": true, "http_raw_uri": true, "http_user_agent": true, "http_method": true}

// silent are options that say nothing about what matches.
var silent = map[string]bool{"msg": true, "sid": true, "rev": true, "gid": true, "classtype": true, "reference": true, "metadata": true, "priority": true,
	"target": true, "flow": true, "tag": true, "noalert": true, "requires": true, "prefilter": true, "stream_size": true, "flowbits": true, "byte_test": true, "dsize": true}

// contents collects what a rule compares, or says which keyword has no
// counterpart.
func (r *inRule) contents() (out []*inContent, err error) {
	buffer, sizes := "", make(map[string]string)
	for _, o := range r.options {
		var last *inContent
		if len(out) > 0 {
			last = out[len(out)-1]
		}
		known, isBuffer := inBuffers[o.name]
		switch {
		case o.name == "content" || o.name == "pcre":
			c, err := parseContent(o, buffer)
			if err != nil {
				return nil, err
			}
			if c.has("dotprefix") || last != nil && last.bytes == "" && last.regex == "" && last.has("dotprefix") {
				c.mods["dotprefix"] = ""
				out = out[:len(out)-1]
			}
			out = append(out, c)
		case legacy[o.name] && o.value == "" && last != nil && last.buffer == "":
			last.buffer = known
		case isBuffer:
			buffer = known
		case o.name == "dotprefix": // stands before its content
			out = append(out, &inContent{buffer: buffer, mods: map[string]string{"dotprefix": ""}})
		case o.name == "isdataat" && !strings.HasPrefix(o.value, "!") && !strings.Contains(o.value, "relative"):
			// how much there must be at least: looked at with the payload
		case o.name == "bsize" && buffer != "": // of the whole buffer, before its contents or behind
			sizes[buffer] = o.value
		case modifiers[o.name] && last != nil:
			last.mods[o.name] = o.value
		case o.name == "threshold" && strings.Contains(strings.ReplaceAll(o.value, " ", ""), "typelimit"): // one alert of many, not when
		case silent[o.name]:
		default:
			return nil, fmt.Errorf("the keyword %s", o.name)
		}
	}
	for _, c := range out {
		if size, ok := sizes[c.buffer]; ok {
			c.mods["bsize"] = size
		}
	}
	return out, nil
}

// parseContent reads the value of content or pcre.
func parseContent(o inOption, buffer string) (*inContent, error) {
	c := &inContent{buffer: buffer, mods: make(map[string]string)}
	v, not := strings.CutPrefix(o.value, "!")
	c.not = not
	v = strings.TrimSpace(v)
	if len(v) < 2 || v[0] != '"' || v[len(v)-1] != '"' {
		return nil, errors.New(o.name + " without quotes")
	}
	v = v[1 : len(v)-1]
	if o.name == "pcre" {
		end := strings.LastIndexByte(v, '/')
		if len(v) < 2 || v[0] != '/' || end <= 0 {
			return nil, errors.New("pcre without slashes")
		}
		flags := v[end+1:]
		if strings.Trim(flags, "is") != "" {
			return nil, fmt.Errorf("pcre with the flags %s", flags)
		}
		c.regex = v[1:end]
		if flags != "" {
			c.regex = "(?" + flags + ")" + c.regex
		}
		return c, nil
	}
	var err error
	c.bytes, err = unquote(v)
	if err == nil && c.bytes == "" {
		err = errors.New("an empty content")
	}
	return c, err
}

// unquote reads the text of a content: |xx xx| are bytes, \ stands before ; " \ :.
func unquote(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '|':
			end := strings.IndexByte(s[i+1:], '|')
			if end < 0 {
				return "", errors.New("a | that nothing closes")
			}
			raw, err := hex.DecodeString(strings.Join(strings.Fields(s[i+1:i+1+end]), ""))
			if err != nil {
				return "", errors.New("bad hexadecimal digits between | and |")
			}
			b.Write(raw)
			i += end + 1
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), nil
}
