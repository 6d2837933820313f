package config

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// reader walks a YAML tree and collects every mistake with its place.
type reader struct {
	file string
	errs []error
}

// keys are the allowed keys of a mapping, and what reads the value of each.
type keys map[string]func(*yaml.Node)

func (r *reader) fail(n *yaml.Node, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("%s:%d:%d: %s", r.file, n.Line, n.Column, fmt.Sprintf(format, args...)))
}

// mapping reads a mapping whose keys are all known and occur once.
func (r *reader) mapping(n *yaml.Node, what string, allowed keys) {
	if n.Kind != yaml.MappingNode {
		r.fail(n, "%s must be a mapping (key: value)", what)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		read, ok := allowed[key.Value]
		switch {
		case !ok:
			r.fail(key, "unknown key %q in %s; known are %s", key.Value, what, strings.Join(slices.Sorted(maps.Keys(allowed)), ", "))
		case seen[key.Value]:
			r.fail(key, "key %q appears twice in %s", key.Value, what)
		default:
			read(value)
		}
		seen[key.Value] = true
	}
}

func (r *reader) list(n *yaml.Node, read func(*yaml.Node)) {
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "want a list ([a, b])")
		return
	}
	if len(n.Content) == 0 {
		r.fail(n, "the list is empty; leave the key out for the default")
	}
	for _, c := range n.Content {
		read(c)
	}
}

func (r *reader) text(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || n.Value == "" || n.Tag == "!!null" {
		r.fail(n, "want a text that is not empty")
		return ""
	}
	return n.Value
}

// prefix reads a network, or an address as the network of that one host.
func (r *reader) prefix(n *yaml.Node) netip.Prefix {
	s := r.text(n)
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
	}
	p, err := netip.ParsePrefix(s)
	if err != nil && s != "" {
		r.fail(n, "%q is neither a network (10.0.0.0/8, fc00::/7) nor an address", s)
	}
	if err == nil && p != p.Masked() {
		r.fail(n, "%s has bits set beyond its length; did you mean %s?", s, p.Masked())
	}
	return p.Masked()
}

// domainRE is a domain of two labels or more, or of one: networks have such.
var domainRE = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9])?)*$`)

// domain reads a domain name, which comes in lower case.
func (r *reader) domain(n *yaml.Node) string {
	s := strings.ToLower(strings.TrimSuffix(r.text(n), "."))
	if n.Value != "" && (len(s) > 253 || !domainRE.MatchString(s)) {
		r.fail(n, "%q is no domain such as corp.example; write the name alone, international ones as xn--", n.Value)
	}
	return s
}

func (r *reader) oneOf(n *yaml.Node, values ...string) string {
	s := r.text(n)
	if s != "" && !slices.Contains(values, s) {
		r.fail(n, "%q is not one of %s", s, strings.Join(values, ", "))
	}
	return s
}

func (r *reader) duration(n *yaml.Node, lo, hi time.Duration) time.Duration {
	s := r.text(n)
	d, err := time.ParseDuration(s)
	switch {
	case s == "":
	case err != nil:
		r.fail(n, "%q is not a duration such as 90s, 15m or 2h", s)
	case d < lo || d > hi:
		r.fail(n, "%s is outside %s to %s", s, lo, hi)
	}
	return d
}

func (r *reader) number(n *yaml.Node, lo, hi int) int {
	s := r.text(n)
	v, err := strconv.Atoi(s)
	switch {
	case s == "":
	case err != nil:
		r.fail(n, "%q is not a whole number", s)
	case v < lo || v > hi:
		r.fail(n, "%d is outside %d to %d", v, lo, hi)
	}
	return v
}
