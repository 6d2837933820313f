package detect

import (
	"fmt"
	"math/bits"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/magic"
)

// String is the payload in one line, as rules show prints it.
func (p *Payload) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s from %s at %d: ", p.Proto, p.From, p.At)
	if p.Text != "" {
		fmt.Fprintf(&b, "%q", p.Text)
	} else {
		b.WriteString(p.Hex)
	}
	if p.Mask != "" {
		b.WriteString(", mask " + p.Mask)
	}
	if p.Size > 0 {
		fmt.Fprintf(&b, ", message of %d bytes", p.Size)
	}
	if l := p.Length; l != nil {
		fmt.Fprintf(&b, ", length in %s at %d", l.Type, l.At)
		if l.Shift > 0 {
			fmt.Fprintf(&b, " >> %d", l.Shift)
		}
		if l.Add != 0 {
			fmt.Fprintf(&b, " %+d", l.Add)
		}
	}
	if p.Count > 0 {
		fmt.Fprintf(&b, ", %d datagrams", p.Count)
	}
	if p.Same != nil {
		fmt.Fprintf(&b, ", same bytes at %d", *p.Same)
	}
	if p.First {
		b.WriteString(", before the other side")
	}
	return b.String()
}

// maxCount is how many datagrams a payload may ask for; the worker looks at
// ten of a direction.
const maxCount = 8

// maxAdd bounds what is added to a length field: headers are shorter.
const maxAdd = 1000

func (r *fileReader) payloads(n *yaml.Node, in *Indicator) {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = r.sequence(n, "payload", "")
	}
	if len(items) > maxPayloads {
		r.fail(n, "at most 8 that must all be seen; write alternatives as indicators of their own", "%d payloads", len(items))
		return
	}
	for i, v := range items {
		in.Need |= condPayload << i
		if p, m, ok := r.payload(v); ok {
			if p.Count > 1 {
				in.repeated |= condPayload << i
			}
			if p.Same != nil {
				in.tokens |= condPayload << i
			}
			in.Payload, in.magic = append(in.Payload, p), append(in.magic, m)
		}
	}
	if len(in.Payload) == len(items) && bits.OnesCount32(uint32(in.tokens)) == 1 && in.tokens&in.repeated == 0 {
		r.fail(n, "add it to another payload of the list, or add count", "same has nothing to be compared with")
	}
}

// payload reads one payload pattern.
func (r *fileReader) payload(n *yaml.Node) (p Payload, m magic.Pattern, ok bool) {
	had := len(r.errs)
	var mask []byte
	r.mapping(n, "a payload", []key{
		{"proto", true, func(n *yaml.Node) { p.Proto = r.oneOf(n, "proto", []string{"tcp", "udp"}) }},
		{"from", true, func(n *yaml.Node) { p.From = r.oneOf(n, "from", []string{"client", "server", "any"}) }},
		{"at", false, func(n *yaml.Node) { p.At = uint16(r.number(n, "at", 0, magic.MaxDepth-1)) }},
		{"hex", false, func(n *yaml.Node) { p.Hex = r.text(n, "hex"); m.Value, m.Mask = r.hex(n, p.Hex) }},
		{"text", false, func(n *yaml.Node) { p.Text = r.rawText(n, "text"); m.Value = []byte(p.Text) }},
		{"mask", false, func(n *yaml.Node) { p.Mask = r.text(n, "mask"); mask = r.plainHex(n, "a mask", p.Mask) }},
		{"size", false, func(n *yaml.Node) { p.Size = uint32(r.number(n, "size", 1, 65507)) }},
		{"length", false, func(n *yaml.Node) { p.Length, m.Length = r.length(n) }},
		{"count", false, func(n *yaml.Node) { p.Count = uint8(r.number(n, "count", 2, maxCount)) }},
		{"same", false, func(n *yaml.Node) {
			at := uint16(r.number(n, "same", 0, magic.MaxDepth-4))
			p.Same, m.Token = &at, magic.Token{At: at, Has: true}
		}},
		{"first", false, func(n *yaml.Node) { p.First = r.yes(n, "first") }},
	})
	if len(r.errs) > had || r.silent > 0 {
		return p, m, false
	}
	m.At, m.Size, m.First, m.Proto, m.From = p.At, p.Size, p.First, protoNumber(p.Proto), side(p.From)
	m.Mask = join(m.Mask, mask)
	if (p.Hex == "") == (p.Text == "") {
		r.fail(n, "", "a payload needs either hex or text")
	} else if mask != nil && len(mask) != len(m.Value) {
		r.fail(n, "", "the mask has %d bytes, the pattern %d", len(mask), len(m.Value))
	} else if p.Count != 0 && p.Proto != "udp" {
		r.fail(n, "tcp is a stream: remove count, or give a second payload with another offset", "count is for udp datagrams")
	} else if p.First && p.Proto != "tcp" {
		r.fail(n, "udp has no handshake that shows who opened the flow: remove first", "first is for tcp")
	} else if _, err := magic.Compile([]magic.Pattern{m}); err != nil {
		_, problem, _ := strings.Cut(err.Error(), ": ")
		r.fail(n, "", "payload: %s", problem)
	}
	return p, m, len(r.errs) == had
}

// join is the mask of the bits that both masks have; nil stands for all.
func join(a, b []byte) []byte {
	if a == nil || b == nil || len(a) != len(b) {
		return append(a, b[min(len(a), len(b)):]...)
	}
	for i := range a {
		a[i] &= b[i]
	}
	return a
}

// length reads a field that tells the size of its message.
func (r *fileReader) length(n *yaml.Node) (*PayloadLength, magic.Field) {
	var l PayloadLength
	r.mapping(n, "length", []key{
		{"at", true, func(n *yaml.Node) { l.At = uint16(r.number(n, "at", 0, magic.MaxDepth-1)) }},
		{"type", true, func(n *yaml.Node) { l.Type = r.oneOf(n, "type", lengthTypes) }},
		{"shift", false, func(n *yaml.Node) { l.Shift = uint8(r.number(n, "shift", 1, 31)) }},
		{"add", false, func(n *yaml.Node) { l.Add = int32(r.number(n, "add", -maxAdd, maxAdd)) }},
	})
	width := map[string]uint8{"u8": 1, "u16": 2, "u24": 3, "u32": 4}[strings.TrimRight(l.Type, "bel")]
	return &l, magic.Field{At: l.At, Bytes: width, LittleEndian: strings.HasSuffix(l.Type, "le"), Shift: l.Shift, Add: l.Add}
}

var lengthTypes = []string{"u8", "u16be", "u16le", "u24be", "u24le", "u32be", "u32le"}

// maxPayloadLen bounds the bytes of a pattern or a test; see magic.MaxDepth
// for where a pattern must end.
const maxPayloadLen = 512

func (r *fileReader) hex(n *yaml.Node, s string) (value, mask []byte) {
	if s == "" {
		return nil, nil
	}
	value, mask, err := magic.ParseHex(s)
	if err != nil {
		r.fail(n, "expected pairs of hexadecimal digits, ?? for any byte", "hex %s: %v", quote(s), err)
	} else if len(value) > maxPayloadLen {
		r.fail(n, "at most 512", "hex has %d bytes", len(value))
	}
	return value, mask
}

// plainHex reads hexadecimal digits without ?.
func (r *fileReader) plainHex(n *yaml.Node, what, s string) []byte {
	value, mask := r.hex(n, s)
	for _, m := range mask {
		if m != 0xff {
			r.fail(n, "", "%s cannot have ??", what)
			break
		}
	}
	return value
}

// rawText reads text that stands for bytes: line ends and blanks count.
func (r *fileReader) rawText(n *yaml.Node, what string) string {
	switch {
	case !r.plain(n):
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" || n.Value == "":
		r.fail(n, `expected text in quotes, such as "RFB 003.008\n"`, "%s is %s", what, describe(n))
	case len(n.Value) > maxPayloadLen:
		r.fail(n, "at most 512", "%s has %d bytes", what, len(n.Value))
	default:
		return n.Value
	}
	return ""
}

func protoNumber(s string) uint8 {
	if s == "udp" {
		return protoUDP
	}
	return protoTCP
}

func side(s string) magic.Side {
	switch s {
	case "client":
		return magic.FromClient
	case "server":
		return magic.FromServer
	}
	return magic.FromAny
}
