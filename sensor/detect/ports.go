package detect

import (
	"strconv"
	"strings"
)

const (
	protoTCP = 6
	protoUDP = 17
)

// PortRange is a run of server ports, Lo to Hi, both included.
type PortRange struct {
	Proto  uint8 // 6 or 17
	Lo, Hi uint16
}

// String is as in a rule file: tcp/8041, udp/50001-50003.
func (r PortRange) String() string {
	s := "tcp/"
	if r.Proto == protoUDP {
		s = "udp/"
	}
	s += strconv.Itoa(int(r.Lo))
	if r.Hi != r.Lo {
		s += "-" + strconv.Itoa(int(r.Hi))
	}
	return s
}

// MarshalText is String.
func (r PortRange) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// maxPortRange keeps a range from meaning every dynamic port.
const maxPortRange = 1024

func parsePorts(s string) (r PortRange, msg, hint string) {
	const want = "expected tcp/8041, udp/50001-50003"
	proto, ports, _ := strings.Cut(s, "/")
	switch proto {
	case "tcp":
		r.Proto = protoTCP
	case "udp":
		r.Proto = protoUDP
	default:
		return r, "no protocol in port " + quote(s), want
	}
	lo, hi, isRange := strings.Cut(ports, "-")
	if !isRange {
		hi = lo
	}
	var ok1, ok2 bool
	r.Lo, ok1 = parsePort(lo)
	r.Hi, ok2 = parsePort(hi)
	switch {
	case !ok1 || !ok2:
		return r, "bad port " + quote(s), want + ", ports from 1 to 65535"
	case isRange && r.Hi <= r.Lo:
		return r, "port range " + quote(s) + " is empty", "write the lower port first"
	case int(r.Hi)-int(r.Lo) >= maxPortRange:
		return r, "port range " + quote(s) + " is too wide to mean anything", "at most 1024 ports"
	}
	return r, "", ""
}

func parsePort(s string) (uint16, bool) {
	if s == "" || s[0] == '0' || s[0] == '+' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil
}

func hasPort(ranges []PortRange, proto uint8, port uint16) bool {
	for _, r := range ranges {
		if r.Proto == proto && r.Lo <= port && port <= r.Hi {
			return true
		}
	}
	return false
}
