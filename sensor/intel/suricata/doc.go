// Package suricata exchanges rules with Suricata: what looks at names,
// fingerprints, requests, or bytes at a fixed place. It knows the rule language
// and nothing of what a name is worth: intel judges that.
package suricata
