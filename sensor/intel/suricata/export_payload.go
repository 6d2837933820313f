package suricata

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// early keeps a TCP pattern near the start of its direction, whose first bytes
// are meant: Suricata looks for it at the start of every segment. The segment
// that holds it may have grown by offloading to 64 KiB.
const early = 65536

// outPayloads is a rule for the bytes of in, or four where both sides must show
// theirs: whichever comes first sets a bit of the flow that the other needs.
func outPayloads(e *intel.Export, in *detect.Indicator) []outRule {
	var each []outRule
	for i := range in.Payload {
		p := &in.Payload[i]
		h := outHead(in, p.Proto, p.Proto, p.From == "server")
		if p.From == "any" && len(in.Port)+len(in.IP) > 0 {
			h = strings.Replace(h, "->", "<>", 1)
		}
		body, ok := outPayload(p)
		switch {
		case p.Proto == "tcp" && p.Size > 0:
			e.Omit(in, "", intel.OmitPayload)
			return nil
		case h == "":
			e.Omit(in, "", intel.OmitCombined)
			return nil
		case !ok:
			e.Omit(in, "", omitLoose)
			return nil
		}
		each = append(each, outRule{in: in, seen: "payload", head: h, flow: outFlow(p), body: body, key: p.From + " " + body})
	}
	switch {
	case len(each) == 1:
		return each
	case len(each) > 2 || in.Payload[0].From == "any" || in.Payload[1].From == "any" || in.Payload[0].Proto != in.Payload[1].Proto:
		e.Omit(in, "", omitPayloads)
		return nil
	}
	var out []outRule
	for i := range each {
		set, then := each[i], each[1-i]
		bit := "rmm." + in.Tool.ID + "." + in.ID + "." + strconv.Itoa(i)
		set.body += "flowbits:set," + bit + "; "
		set.silent, set.key = true, "set "+set.key
		then.body += "flowbits:isset," + bit + "; "
		out = append(out, set, then)
	}
	return out
}

func outFlow(p *detect.Payload) string {
	to := map[string]string{"client": "to_server", "server": "to_client", "any": ""}[p.From]
	if p.Proto == "udp" {
		return to
	}
	return strings.TrimSuffix("established,"+to, ",")
}

// outPayload says where each run of whole fixed bytes stands, and tests
// what is fixed in part by its bits. It fails without a whole byte.
func outPayload(p *detect.Payload) (string, bool) {
	value, mask := outBytes(p)
	var b strings.Builder
	found := false
	end := 0 // where the options so far reach to
	for i := 0; i < len(value); {
		at := int(p.At) + i
		switch {
		case mask[i] == 0xff:
			n := i
			for n < len(value) && mask[n] == 0xff {
				n++
			}
			fmt.Fprintf(&b, `content:"%s"; `, outQuote(string(value[i:n])))
			if at == 0 {
				b.WriteString("startswith; ")
			} else {
				fmt.Fprintf(&b, "offset:%d; depth:%d; ", at, n-i)
			}
			found, end, i = true, int(p.At)+n, n
			continue
		case mask[i] != 0:
			// The value found is shifted by the zeros on the mask's right.
			fmt.Fprintf(&b, "byte_test:1,=,%d,%d,bitmask 0x%02x; ", value[i]&mask[i]>>bits.TrailingZeros8(mask[i]), at, mask[i])
			end = at + 1
		}
		i++
	}
	if last := int(p.At) + len(value); p.Size == 0 && last > end {
		fmt.Fprintf(&b, "isdataat:%d; ", last-1)
	}
	switch {
	case p.Proto == "tcp" && p.From != "any":
		fmt.Fprintf(&b, "stream_size:%s,<,%d; ", p.From, early)
	case p.Size > 0:
		fmt.Fprintf(&b, "dsize:%d; ", p.Size)
	}
	return b.String(), found
}

// outBytes is the payload's bytes with the bits of each that count.
func outBytes(p *detect.Payload) (value, mask []byte) {
	if p.Text != "" {
		return []byte(p.Text), []byte(strings.Repeat("\xff", len(p.Text)))
	}
	digits := strings.Join(strings.Fields(p.Hex), "")
	for i := 0; i+1 < len(digits); i += 2 {
		v1, m1 := outNibble(digits[i])
		v2, m2 := outNibble(digits[i+1])
		value, mask = append(value, v1<<4|v2), append(mask, m1<<4|m2)
	}
	return value, mask
}

func outNibble(c byte) (value, mask byte) {
	if c == '?' {
		return 0, 0
	}
	v, _ := strconv.ParseUint(string(c), 16, 8) // the loader passed it
	return byte(v), 0xf
}
