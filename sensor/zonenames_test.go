package sensor_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
)

// asked replays a DNS question for a name given label by label.
func asked(t *testing.T, labels ...string) result {
	t.Helper()
	q := []byte{0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	for _, l := range labels {
		q = append(append(q, byte(len(l))), l...)
	}
	q = binary.BigEndian.AppendUint16(append(q, 0), 1)
	q = binary.BigEndian.AppendUint16(q, 1)
	frame := capture.Frame{Data: udpFrame(t, 50_000, 53, q), Time: 1e18, Number: 1, Link: 1}
	frame.WireLen = uint32(len(frame.Data))
	return replayFrames(t, []capture.Frame{frame})
}

// greeted replays a ClientHello for a name.
func greeted(t *testing.T, name string) result {
	t.Helper()
	hello := helloWith(t, strings.Repeat("n", len(name)-len(".example"))+".example", "h2")
	i := strings.Index(string(hello), "nnn")
	copy(hello[i:], name) // crypto/tls takes no such names
	w := newWire(t, false)
	w.segment(99, true, nil)
	w.segment(100, false, hello)
	return replayFrames(t, w.frames)
}

func tenants(list []*alert.Alert) (out []string) {
	for _, a := range list {
		out = append(out, a.Tenants()...)
	}
	return out
}

// A dot inside a DNS label divides nothing: who owns com decides about
// screenconnect.com, not about a name of the label "relay.screenconnect".
func TestDotInsideALabel(t *testing.T) {
	for _, labels := range [][]string{
		{"instance-acme-relay.screenconnect", "com"},
		{"instance-acme-relay", "screenconnect.com"},
		{"instance-acme-relay.screenconnect.com"},
		{"instance-acme-relay", "screenconnect", "com."},
		{"instance-acme-relay", `\screenconnect`, "com"},
	} {
		if r := asked(t, labels...); len(r.alerts) > 0 {
			t.Errorf("%q: %s", labels, r.eve)
		}
	}
	r := asked(t, "instance-a.b-relay", "screenconnect", "com") // below the vendor's domain all the same
	if got := tenants(r.alerts); !slices.Equal(got, []string{"a.b"}) || !strings.Contains(r.eve, `value=instance-a\\.b-relay.screenconnect.com"`) {
		t.Errorf("tenants %q: %s", got, r.eve)
	}
}

// A tenant has one spelling, in DNS as in TLS, and every byte of it can be had
// back: nothing but ASCII letters has another case.
func TestTenantHasOneSpelling(t *testing.T) {
	for tenant, want := range map[string]string{
		"ACME":         "acme",
		"\xff":         `\xff`,
		"\xe2\x84\xaa": `\xe2\x84\xaa`, // U+212A, which Unicode lower-cases to k
		"\xc3\x89":     `\xc3\x89`,
		`a\b`:          `a\\b`,
		"\x00 ,":       `\x00 ,`,
		"255":          "255",
	} {
		name := "instance-" + tenant + "-relay"
		sni, dns := greeted(t, name+".screenconnect.com"), asked(t, name, "screenconnect", "com")
		if got := tenants(sni.alerts); !slices.Equal(got, []string{want}) {
			t.Errorf("%q in TLS: %q", tenant, got)
		}
		if got := tenants(dns.alerts); !slices.Equal(got, []string{want}) {
			t.Errorf("%q in DNS: %q", tenant, got)
		}
		if value := sni.alerts[0].Evidence[0].Value; value != "instance-"+want+"-relay.screenconnect.com" {
			t.Errorf("%q in TLS: %s", tenant, value)
		}
	}
}
