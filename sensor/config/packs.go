package config

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/rmmwatch/rmmwatch/sensor/rulepack"
)

// Packs says where signed rule packs are installed, and whose.
type Packs struct {
	Dir  string         // "" for none
	Keys []rulepack.Key // whose packs are taken; at least one when there is a Dir
}

func (r *reader) packs(n *yaml.Node, p *Packs) {
	before := len(r.errs)
	r.mapping(n, "packs", keys{
		"dir":  func(n *yaml.Node) { p.Dir = r.path(n) },
		"keys": func(n *yaml.Node) { r.list(n, func(n *yaml.Node) { p.Keys = append(p.Keys, r.packKey(n, p.Keys)) }) },
	})
	if len(r.errs) == before && (p.Dir == "" || len(p.Keys) == 0) {
		r.fail(n, "packs needs `dir`, the folder that packs are installed into, and `keys`, the minisign public keys of those who sign them")
	}
}

// packKey reads a public key that is none of those before.
func (r *reader) packKey(n *yaml.Node, before []rulepack.Key) rulepack.Key {
	text := r.text(n)
	if text == "" {
		return rulepack.Key{}
	}
	key, err := rulepack.ParseKey(text)
	if err != nil {
		r.fail(n, "%q: %v", text, err)
	} else if slices.ContainsFunc(before, func(k rulepack.Key) bool { return k.ID() == key.ID() }) {
		r.fail(n, "a key with the id %s is there already", key.ID())
	}
	return key
}
