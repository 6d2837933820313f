package suricata

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// maxPayload bounds the bytes of a pattern: what lies further in is no first byte.
const maxPayload = 254

// payload reads contents in the payload: each must stand at one place.
func (m *matcher) payload(list []*inContent) {
	if m.rule.proto != "tcp" && m.rule.proto != "udp" {
		m.fail(intel.Unsupported, "a content in the payload of %s", intel.Clean(m.rule.proto, 20))
		return
	}
	var value, mask [maxPayload]byte
	end := 0
	put := func(at int, s string, bits byte) bool {
		if at < 0 || at+len(s) > maxPayload {
			return false
		}
		for i := range len(s) {
			value[at+i], mask[at+i] = s[i], mask[at+i]|bits
		}
		end = max(end, at+len(s))
		return true
	}
	before := -1 // where the content before this one ended
	for _, c := range list {
		at, ok := place(c, before)
		switch {
		case c.not || c.regex != "" || c.has("nocase") && strings.ToUpper(c.bytes) != strings.ToLower(c.bytes):
			m.fail(intel.Unsupported, "a pcre, a content that must not be there, or one in any case, in the payload")
		case !ok:
			m.fail(intel.Unsupported, "a content that may stand anywhere in the payload: a rule file's stands at one place")
		case !put(at, c.bytes, 0xff):
			m.fail(intel.Unsupported, "a content behind byte 254")
		}
		if m.e.Reason != "" {
			return
		}
		before = at + len(c.bytes)
	}
	p := detect.Payload{Proto: m.rule.proto, From: "any"}
	if !m.limits(&p, put, &end) {
		return
	}
	switch flow := m.rule.get("flow"); {
	case strings.Contains(flow, "to_server"), strings.Contains(flow, "from_client"):
		p.From = "client"
	case strings.Contains(flow, "to_client"), strings.Contains(flow, "from_server"):
		p.From = "server"
	}
	first := slices.IndexFunc(mask[:end], func(b byte) bool { return b != 0 })
	if first < 0 {
		m.fail(intel.Unsupported, "no byte is fixed")
		return
	}
	p.At, p.Hex = uint16(first), hexOf(value[first:end], mask[first:end])
	m.e.Match.Payload = append(m.e.Match.Payload, p)
}

// place is the offset of a content, where the rule leaves no choice.
func place(c *inContent, before int) (int, bool) {
	number := func(mod string) int {
		n, err := strconv.Atoi(c.mods[mod])
		if err != nil {
			return -1
		}
		return n
	}
	switch n := len(c.bytes); {
	case c.has("startswith"):
		return 0, true
	case c.has("depth") && !c.has("offset"):
		return 0, number("depth") == n
	case c.has("depth"): // counted from the offset
		return number("offset"), number("depth") == n
	case c.has("distance") && c.has("within") && before >= 0:
		return before + number("distance"), number("within") == n
	case c.has("within") && before >= 0:
		return before, number("within") == n
	}
	return 0, false
}

// limits reads what a rule says of single bits and of the length.
func (m *matcher) limits(p *detect.Payload, put func(int, string, byte) bool, end *int) bool {
	for _, o := range m.rule.options {
		fields := strings.Split(strings.ReplaceAll(o.value, " ", ""), ",")
		n, err := strconv.Atoi(fields[0])
		switch {
		case o.name == "dsize" && m.rule.proto == "udp" && err == nil:
			p.Size = uint32(min(max(n, 0), 1<<16))
		case o.name == "isdataat" && len(fields) == 1 && err == nil && n < maxPayload:
			*end = max(*end, n+1)
		case o.name == "byte_test" && m.bits(fields, put):
		case o.name == "dsize", o.name == "byte_test":
			m.fail(intel.Unsupported, "%s:%s", o.name, intel.Clean(o.value, 60))
			return false
		}
	}
	return true
}

// bits reads byte_test:1,=,VALUE,AT,bitmask MASK, where the bits of the mask stand
// side by side and are shifted to the right before they are compared.
func (m *matcher) bits(f []string, put func(int, string, byte) bool) bool {
	if len(f) != 5 || f[0] != "1" || f[1] != "=" {
		return false
	}
	v, err1 := strconv.ParseUint(f[2], 0, 8)
	at, err2 := strconv.Atoi(f[3])
	mask, err3 := strconv.ParseUint(strings.TrimPrefix(f[4], "bitmask"), 0, 8)
	if err1 != nil || err2 != nil || err3 != nil || mask == 0 {
		return false
	}
	shifted := byte(v)
	for low := mask; low&1 == 0; low >>= 1 {
		shifted <<= 1
	}
	return put(at, string([]byte{shifted}), byte(mask))
}

// hexOf writes bytes as a rule file does: ? for a digit that may be any. A digit of
// which only some bits are fixed is left open.
func hexOf(value, mask []byte) string {
	var b strings.Builder
	for i := range value {
		digits := hex.EncodeToString(value[i : i+1])
		for j, m := range []byte{mask[i] >> 4, mask[i] & 15} {
			if m == 15 {
				b.WriteByte(digits[j])
			} else {
				b.WriteByte('?')
			}
		}
	}
	return b.String()
}

// flowbits puts two payloads of one flow together: a rule that only sets a bit, and
// one that asks for it. In the first pass the setters are collected.
func (m *matcher) flowbits(bits map[string]detect.Indicator) {
	noalert := slices.ContainsFunc(m.rule.options, func(o inOption) bool { return o.name == "noalert" })
	for _, o := range m.rule.options {
		if o.name != "flowbits" {
			continue
		}
		op, name, _ := strings.Cut(strings.ReplaceAll(o.value, " ", ""), ",")
		other, known := bits[name]
		switch {
		case op == "noalert":
			noalert = true
		case op == "set" && len(m.e.Match.Payload) == 1:
			bits[name] = m.e.Match
		case op == "isset" && known && len(m.e.Match.Payload) == 1:
			m.e.Match.Payload = append(slices.Clone(other.Payload), m.e.Match.Payload...)
			slices.SortStableFunc(m.e.Match.Payload, func(a, b detect.Payload) int { return strings.Compare(a.From, b.From) })
		case op == "set" || op == "toggle" || op == "unset":
		default:
			m.fail(intel.Unsupported, "it asks for a flow bit (%s) that no rule here sets by one payload", intel.Clean(name, 60))
			return
		}
	}
	if noalert {
		m.fail(intel.Unsupported, "it only prepares another rule (noalert)")
	}
}
