package stix

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/intel/importtest"
)

const stixBundle = `{"type": "bundle", "id": "bundle--1", "objects": [
{"type": "tool", "id": "tool--1", "name": "Alpha", "labels": ["class:remote-desktop"]},
{"type": "malware", "id": "malware--1", "name": "Bad Rat"},
{"type": "relationship", "relationship_type": "indicates", "source_ref": "indicator--1", "target_ref": "tool--1"},
{"type": "indicator", "id": "indicator--1", "name": "relay", "confidence": 15, "pattern_type": "stix", "labels": ["role:relay"],
 "pattern": "[domain-name:value = 'relay.alpha.com'] OR [domain-name:value LIKE '%.alpha.net' AND domain-name:value != 'www.alpha.net']"},
{"type": "indicator", "pattern": "[ipv4-addr:value = '203.0.113.7' OR ipv4-addr:value ISSUBSET '198.51.100.0/24']"},
{"type": "indicator", "pattern": "[url:value = 'http://beta.com/a?b=c' OR url:value = 'https://beta.com/a']"},
{"type": "indicator", "pattern": "[network-traffic:dst_ref.value = 'gamma.com' AND network-traffic:dst_port = 8041]"},
{"type": "indicator", "pattern": "[domain-name:value = 'a.com'] FOLLOWEDBY [domain-name:value = 'b.com']"},
{"type": "indicator", "pattern": "[domain-name:value = 'a.com'] AND [domain-name:value = 'b.com']"},
{"type": "indicator", "pattern": "[domain-name:value = 'a.com'] REPEATS 5 TIMES WITHIN 60 SECONDS"},
{"type": "indicator", "pattern": "[file:hashes.'SHA-256' = 'aa' OR domain-name:value MATCHES '^x[0-9]\\.delta\\.com$']"},
{"type": "indicator", "pattern": "[domain-name:value IN ('i1.com', 'user_managed')]"},
{"type": "indicator", "pattern": "[domain-name:value ="},
{"type": "indicator", "pattern_type": "yara", "pattern": "rule x {}"},
{"type": "indicator", "revoked": true, "pattern": "[domain-name:value = 'old.com']"},
{"type": "domain-name", "value": "seen.com"},
{"type": "identity", "name": "somebody"}
]}`

func TestImport(t *testing.T) {
	importtest.Outcomes(t, Import("x.json", []byte(stixBundle)), `
		6 imported domain=relay.alpha.com: domain-name:value = 'relay.alpha.com'
		6 imported domain=*.alpha.net: domain-name:value LIKE '%.alpha.net' AND domain-name:value != 'www.alpha.net'
		6 imported domain=www.alpha.net: except www.alpha.net
		7 imported ip=203.0.113.7/32: ipv4-addr:value = '203.0.113.7'
		7 imported ip=198.51.100.0/24: ipv4-addr:value ISSUBSET '198.51.100.0/24'
		8 imported host=beta.com path=/a?b=c: url:value = 'http://beta.com/a?b=c'
		8 quarantined not observable: url:value = 'https://beta.com/a'
		9 imported domain=gamma.com port=tcp/8041: network-traffic:dst_ref.value = 'gamma.com' AND network-traffic:dst_port = '8041'
		10 quarantined unsupported: [domain-name:value = 'a.com'] FOLLOWEDBY [domain-name:value = 'b.com']
		11 quarantined unsupported: [domain-name:value = 'a.com'] AND [domain-name:value = 'b.com']
		12 quarantined unsupported: [domain-name:value = 'a.com'] REPEATS 5 TIMES WITHIN 60 SECONDS
		13 quarantined not observable: file:hashes.'SHA-256' = 'aa'
		13 imported domain=x?.delta.com: domain-name:value MATCHES '^x[0-9]\.delta\.com$'
		14 imported domain=i1.com: domain-name:value = 'i1.com'
		14 quarantined junk: domain-name:value = 'user_managed'
		15 quarantined syntax: [domain-name:value =
		16 quarantined unsupported: indicator
		17 quarantined withdrawn: indicator
		18 quarantined unsupported: seen.com
	`)
}

// The patterns of the specification's own examples (STIX 2.1 section 9.8) are read, or refused for
// what they use.
func TestPattern(t *testing.T) {
	for s, want := range map[string]string{
		"[a:b = 'x']":                                    "[[a:b = 'x']]",
		"[a:b = 'x' OR a:b = 'y' AND c:d = 5]":           "[[a:b = 'x'] [a:b = 'y' c:d = '5']]",
		"[(a:b = 'x' OR a:b = 'y') AND c:d != 'z']":      "[[a:b = 'x' c:d != 'z'] [a:b = 'y' c:d != 'z']]",
		"([a:b = 'x'] OR [c:d = 'y'])":                   "[[a:b = 'x'] [c:d = 'y']]",
		`[a:b = 'it\'s \\']`:                             `[[a:b = 'it's \']]`,
		"[a:b IN ('x','y')]":                             "[[a:b = 'x'] [a:b = 'y']]",
		"[a:b NOT LIKE 'x%']":                            "[[a:b NOT LIKE 'x%']]",
		"[a:b.'c-d'.e[*].f = 'x']":                       "[[a:b.'c-d'.e[*].f = 'x']]",
		"[a:b = 'x'] WITHIN 5 SECONDS":                   "uses WITHIN",
		"([a:b = 'x'] AND [c:d = 'y']) WITHIN 5 SECONDS": "uses AND between",
		"[a:b = 'x'] START t'2020' STOP t'2021'":         "uses START",
		"[EXISTS a:b]":                                   "uses EXISTS",
		"[a:b = 'x":                                      "nothing closes",
		"[a:b = x]":                                      "not expected",
		"a:b = 'x'":                                      "not expected",
		"":                                               "ends too early",
		"[a:b = ;]":                                      "no place in a pattern",
		strings.Repeat("(", 100):                         "deeper than 32",
		"[" + strings.Repeat("(", 100):                   "deeper than 32",
		"[a:b = 'x'" + strings.Repeat(" OR a:b = 'x'", 20000):              "more than 10,000",
		"[" + strings.Repeat("(a:b='x' OR a:b='y') AND ", 20) + "a:b='z']": "more than 10,000",
	} {
		got, err := inPattern(s)
		if err != nil && !strings.Contains(err.Error(), want) || err == nil && fmt.Sprint(got) != want {
			t.Errorf("%.80s: %v, %v", s, got, err)
		}
	}
}

func FuzzImport(f *testing.F) { importtest.Fuzz(f, Import, stixBundle) }

func FuzzPattern(f *testing.F) {
	for _, s := range []string{"[a:b = 'x' OR (a:b LIKE '%y' AND c:d != 5)] OR [e:f IN ('g')]", "[a:b.'c'[1] = '\\'']", "([a:b='x'])"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		all, err := inPattern(s)
		if (err == nil) != (len(all) > 0) {
			t.Fatal(all, err)
		}
		// What was read can be written, and is read as the same.
		for _, and := range all {
			parts := make([]string, len(and))
			for i, c := range and {
				c.value = strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(c.value)
				parts[i] = c.String()
			}
			again, err := inPattern("[" + strings.Join(parts, " AND ") + "]")
			if err != nil || len(again) != 1 || fmt.Sprint(again[0]) != fmt.Sprint(and) {
				t.Fatalf("%q: %v became %v, %v", s, and, again, err)
			}
		}
	})
}
