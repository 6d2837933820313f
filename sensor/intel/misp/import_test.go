package misp

import (
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/intel/importtest"
)

const mispEvents = `{"response": [
{"Event": {"info": "Alpha campaign", "Attribute": [
{"type": "domain", "value": "alpha.com", "to_ids": true, "Tag": [{"name": "rmmwatch:role=\"relay\""}]},
{"type": "hostname", "value": "relay.alpha.net", "to_ids": true},
{"type": "domain", "value": "context.com", "to_ids": false},
{"type": "domain", "value": "gone.com", "deleted": true},
{"type": "ip-dst|port", "value": "203.0.113.7|8041", "to_ids": true},
{"type": "domain|ip", "value": "beta.com|203.0.113.8", "to_ids": true},
{"type": "url", "value": "hxxp://gamma.com/x", "to_ids": true},
{"type": "ja3-fingerprint-md5", "value": "e7d705a3286e19ea42f587b344ee6865"},
{"type": "sha256", "value": "aa", "to_ids": true},
{"type": "snort", "value": "alert tcp any any -> any any (sid:1;)"},
{"type": "ip-dst", "value": "10.0.0.1"},
{"type": "hostname", "value": "user_managed"}
], "Object": [{"name": "domain-ip", "Attribute": [{"type": "domain", "value": "delta.com"}]},
{"name": "empty"}]}},
{"Event": {"info": "nothing"}},
{"NoEvent": 1}
]}`

func TestImport(t *testing.T) {
	importtest.Outcomes(t, Import("x.json", []byte(mispEvents)), `
		3 imported domain=alpha.com|*.alpha.com: alpha.com
		4 imported domain=relay.alpha.net: relay.alpha.net
		5 quarantined withdrawn: context.com
		6 quarantined withdrawn: gone.com
		7 imported ip=203.0.113.7/32 port=tcp/8041: 203.0.113.7|8041
		8 imported domain=beta.com|*.beta.com: beta.com|203.0.113.8
		9 imported host=gamma.com path=/x: hxxp://gamma.com/x
		10 imported ja3=e7d705a3286e19ea42f587b344ee6865: e7d705a3286e19ea42f587b344ee6865
		11 quarantined not observable: aa
		12 quarantined unsupported: alert tcp any any -> any any (sid:1;)
		13 quarantined junk: 10.0.0.1
		14 quarantined junk: user_managed
		15 imported domain=delta.com|*.delta.com: delta.com
		16 quarantined syntax: empty
		17 quarantined syntax: nothing
		18 quarantined syntax: (the whole file)
	`)
}

// What is no JSON says where it breaks; depth is bounded.
func TestBroken(t *testing.T) {
	deep := ""
	for range 100 {
		deep += `{"Event":`
	}
	for _, s := range []string{"", "{", "{\n\"a\": \xff}", deep, "{} x", "[]"} {
		e := Import("x", []byte(s))
		if len(e) != 1 || e[0].Reason != "syntax" || e[0].Detail == "" {
			t.Errorf("%.20q: %+v", s, e)
		}
	}
	if e := Import("x", []byte("{\n\"a\": \xff}")); e[0].Line != 2 {
		t.Error(e[0].Line)
	}
}

func FuzzImport(f *testing.F) { importtest.Fuzz(f, Import, mispEvents) }
