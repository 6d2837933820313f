package intel

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// Values of one kind that may share an indicator: any one of them is enough.
const (
	kindOther  = ""
	kindNames  = "names"
	kindAddrs  = "addresses"
	kindJA3    = "ja3"
	kindJA4    = "ja4"
	kindAgents = "agents"
)

// kind tells whether in has a single matcher whose values can stand in a list
// with others'.
func kind(in *detect.Indicator) string {
	var kinds []string
	for _, k := range []struct {
		name string
		n    int
	}{
		{kindNames, len(in.Domain)}, {kindAddrs, len(in.IP)}, {kindJA3, len(in.TLS.JA3)}, {kindJA4, len(in.TLS.JA4)}, {kindAgents, len(in.HTTP.Agent)},
		{kindOther, len(in.Payload) + len(in.Port) + len(in.TLS.ALPN) + len(in.TLS.Subject) + len(in.TLS.Issuer) + len(in.TLS.SAN) +
			len(in.HTTP.Method) + len(in.HTTP.Host) + len(in.HTTP.Path)},
	} {
		if k.n > 0 {
			kinds = append(kinds, k.name)
		}
	}
	if len(kinds) != 1 || in.TLS.NoSNI {
		return kindOther
	}
	return kinds[0]
}

// split returns in as one for each value that can be watched for by itself.
func split(in *detect.Indicator) []detect.Indicator {
	n := map[string]int{kindNames: len(in.Domain), kindAddrs: len(in.IP), kindJA3: len(in.TLS.JA3), kindJA4: len(in.TLS.JA4), kindAgents: len(in.HTTP.Agent)}[kind(in)]
	if n == 0 {
		return []detect.Indicator{*in}
	}
	out := make([]detect.Indicator, n)
	for i := range out {
		out[i] = single(in, i)
	}
	return out
}

// single is the i-th value of an indicator of one kind.
func single(in *detect.Indicator, i int) (out detect.Indicator) {
	switch kind(in) {
	case kindNames:
		out.Domain = in.Domain[i : i+1]
	case kindAddrs:
		out.IP = in.IP[i : i+1]
	case kindJA3:
		out.TLS.JA3 = in.TLS.JA3[i : i+1]
	case kindJA4:
		out.TLS.JA4 = in.TLS.JA4[i : i+1]
	case kindAgents:
		out.HTTP.Agent = in.HTTP.Agent[i : i+1]
	}
	return out
}

// values is how many values a group has, 0 for what is no group.
func (d *draft) values() int {
	if kind(&d.match) == kindOther {
		return 0
	}
	return len(d.entries)
}

// one is the indicator of the i-th value alone.
func (d *draft) one(i int) detect.Indicator {
	if d.values() == 0 {
		return d.match
	}
	return single(&d.match, i)
}

// add puts another single value into a group.
func (d *draft) add(in *detect.Indicator, entry int) {
	d.match.Domain = append(d.match.Domain, in.Domain...)
	d.match.IP = append(d.match.IP, in.IP...)
	d.match.TLS.JA3 = append(d.match.TLS.JA3, in.TLS.JA3...)
	d.match.TLS.JA4 = append(d.match.TLS.JA4, in.TLS.JA4...)
	d.match.HTTP.Agent = append(d.match.HTTP.Agent, in.HTTP.Agent...)
	d.entries = append(d.entries, entry)
}

// digest is equal for indicators that look for the same.
func digest(in *detect.Indicator) string {
	if k := kind(in); k == kindNames && len(in.Domain) == 1 {
		return in.Domain[0]
	}
	bare := detect.Indicator{Domain: in.Domain, Payload: in.Payload, Port: in.Port, TLS: in.TLS, HTTP: in.HTTP, IP: in.IP}
	b, err := json.Marshal(&bare)
	if err != nil {
		return fmt.Sprintf("%+v", bare) // no field can fail to be written
	}
	return string(b)
}

// idFor names the indicators of a tool: what it looks for, then its role, then
// a number.
func idFor(d *draft, used map[string]bool) string {
	id := kind(&d.match)
	in := &d.match
	switch {
	case id != "":
	case len(in.Payload) > 0:
		id = "payload"
	case len(in.HTTP.Host)+len(in.HTTP.Path)+len(in.HTTP.Method)+len(in.HTTP.Agent) > 0:
		id = "requests"
	case len(in.TLS.Subject)+len(in.TLS.Issuer)+len(in.TLS.SAN) > 0:
		id = "certificates"
	case len(in.TLS.ALPN)+len(in.TLS.JA3)+len(in.TLS.JA4) > 0:
		id = "hello"
	case len(in.Domain) > 0:
		id = kindNames
	case len(in.IP) > 0:
		id = kindAddrs
	default:
		id = "port"
	}
	if d.role != "" && d.role != defaultRole {
		id += "-" + d.role
	}
	base := id
	for n := 2; used[id]; n++ {
		id = fmt.Sprintf("%s-%d", base, n)
	}
	used[id] = true
	return id
}

// defaultRole is that of an indicator whose source does not say one.
const defaultRole = "control"

// sourcesOf adds a source, at most ten of them.
func (d *draft) source(s string) {
	if s != "" && len(d.sources) < 10 && !slices.Contains(d.sources, s) {
		d.sources = append(d.sources, s)
	}
}
