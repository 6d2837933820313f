package config

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rmmwatch/rmmwatch/sensor/policy"
)

// sanctioned reads one permission. Whether its tools exist is known when the
// rules are: policy.Compile tells.
func (r *reader) sanctioned(n *yaml.Node) (e policy.Entry) {
	e.At = r.position(n)
	r.mapping(n, "an entry of sanctioned", keys{
		"tool": func(n *yaml.Node) {
			one := func(n *yaml.Node) {
				e.Tools = append(e.Tools, policy.ToolRef{ID: r.text(n), At: r.position(n)})
			}
			if n.Kind == yaml.SequenceNode {
				r.list(n, one)
				return
			}
			one(n)
		},
		"tenants": func(n *yaml.Node) {
			r.list(n, func(n *yaml.Node) { e.Tenants = append(e.Tenants, strings.ToLower(r.text(n))) })
		},
		"relays": func(n *yaml.Node) {
			r.list(n, func(n *yaml.Node) { e.Relays = append(e.Relays, parsed(r, n, policy.ParseRelay)) })
		},
		"hosts": func(n *yaml.Node) {
			r.list(n, func(n *yaml.Node) { e.Hosts = append(e.Hosts, r.prefix(n)) })
		},
		"vlans": func(n *yaml.Node) {
			r.list(n, func(n *yaml.Node) { e.VLANs = append(e.VLANs, uint16(r.number(n, 1, 4094))) })
		},
		"tunnels": func(n *yaml.Node) {
			r.list(n, func(n *yaml.Node) { e.Tunnels = append(e.Tunnels, parsed(r, n, policy.ParseTunnel)) })
		},
		"hours":  func(n *yaml.Node) { e.Hours = parsed(r, n, policy.ParseHours) },
		"until":  func(n *yaml.Node) { e.Until = parsed(r, n, policy.ParseUntil) },
		"reason": func(n *yaml.Node) { e.Reason = r.text(n) },
	})
	if n.Kind == yaml.MappingNode && len(e.Tools) == 0 {
		r.fail(n, "an entry of sanctioned names its `tool`: an id of rmmwatch rules list, or a list of them")
	}
	return e
}

// parsed reads a text that parse knows. Where there is a mistake, nothing is
// made of the configuration, and the value does not matter.
func parsed[T any](r *reader, n *yaml.Node, parse func(string) (T, error)) (v T) {
	s := r.text(n)
	if s == "" {
		return v
	}
	v, err := parse(s)
	if err != nil {
		r.fail(n, "%s", err)
	}
	return v
}

func (r *reader) position(n *yaml.Node) policy.Position {
	return policy.Position{File: r.file, Line: n.Line, Col: n.Column}
}
