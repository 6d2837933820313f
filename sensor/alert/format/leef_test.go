package format

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// parseLEEF reads a line as IBM's guide says: five header fields that end at a
// bar, the delimiter, or x or 0x and its number in hexadecimal; then
// attributes that end at the delimiter. There are no escapes.
func parseLEEF(line string) (header []string, attributes map[string]string, err error) {
	rest, ok := strings.CutPrefix(line, "LEEF:2.0|")
	if !ok {
		return nil, nil, fmt.Errorf("no LEEF:2.0| at the start")
	}
	parts := strings.SplitN(rest, "|", 6)
	if len(parts) != 6 {
		return nil, nil, fmt.Errorf("%d header fields", len(parts))
	}
	delimiter := parts[4]
	if len(delimiter) != 1 {
		n, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimPrefix(delimiter, "0"), "x"), 16, 16)
		if err != nil {
			return nil, nil, err
		}
		delimiter = string(rune(n))
	}
	attributes = map[string]string{}
	for _, pair := range strings.Split(parts[5], delimiter) {
		key, value, ok := strings.Cut(pair, "=")
		if _, twice := attributes[key]; !ok || !cefKey.MatchString(key) || twice {
			return nil, nil, fmt.Errorf("attribute %q", pair)
		}
		attributes[key] = value
	}
	return parts[:4], attributes, nil
}

// leefDictionary is IBM's list of predefined attributes.
type leefDictionary map[string]struct{ Type, Limits string }

func loadLEEF(t testing.TB) leefDictionary {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(testshared.Dir(t, "schemas/cef-leef"), "leef-attributes.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Attributes []struct{ Key, Type, Limits string }
	}
	if err := yaml.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	d := leefDictionary{}
	for _, a := range list.Attributes {
		d[a.Key] = struct{ Type, Limits string }{a.Type, a.Limits}
	}
	if len(d) < 40 {
		t.Fatalf("%d attributes in the dictionary", len(d))
	}
	return d
}

// check returns what is wrong with a line.
func (d leefDictionary) check(raw []byte) error {
	header, attributes, err := parseLEEF(strings.TrimSuffix(string(raw), "\n"))
	if err != nil {
		return err
	}
	if strings.Join(header[:3], "|") != "rmmwatch|rmmwatch|1" {
		return fmt.Errorf("header %q", header)
	}
	for key, value := range attributes {
		a, ok := d[key]
		if !ok && !strings.HasPrefix(key, "rmm") {
			return fmt.Errorf("%s is neither LEEF's nor ours", key)
		}
		if err := leefType(a.Type, a.Limits, value); err != nil || value == "" || len(value) > 1024 {
			return fmt.Errorf("%s=%s: %v", key, value, err)
		}
	}
	for _, must := range []string{"cat", "devTime", "devTimeFormat", "sev", "src", "dst", "srcPort", "dstPort", "proto"} {
		if attributes[must] == "" {
			return fmt.Errorf("no %s", must)
		}
	}
	if attributes["devTimeFormat"] != "yyyy-MM-dd'T'HH:mm:ss.SSSZ" {
		return fmt.Errorf("devTimeFormat %s", attributes["devTimeFormat"])
	}
	return nil
}

func leefType(typ, limits, value string) (err error) {
	switch typ {
	case "integer":
		var n int64
		n, err = strconv.ParseInt(value, 10, 64)
		if low, high, ok := strings.Cut(strings.ReplaceAll(limits, " ", ""), "-"); ok && err == nil {
			min, _ := strconv.ParseInt(low, 10, 64)
			max, _ := strconv.ParseInt(high, 10, 64)
			if n < min || n > max {
				err = fmt.Errorf("not within %s", limits)
			}
		}
	case "ip_address":
		_, err = netip.ParseAddr(value)
	case "date":
		_, err = time.Parse("2006-01-02T15:04:05.000-0700", value)
	}
	return err
}

// Every line has LEEF's attributes or our own.
func TestLEEFDictionary(t *testing.T) {
	d, w := loadLEEF(t), NewLEEF(files)
	for _, a := range every(t) {
		raw := w.Line(a)
		oneRecord(t, raw)
		if err := d.check(raw); err != nil {
			t.Fatalf("%v\n%s", err, raw)
		}
	}
}

// The judge refuses what is wrong.
func TestLEEFJudge(t *testing.T) {
	d := loadLEEF(t)
	good := string(NewLEEF(files).Line(ordinary("10.1.2.3")))
	for _, c := range []struct{ old, fresh string }{
		{"LEEF:2.0|", "LEEF:1.0|"}, {"|^|", "|"}, {"|^|", "|x09|"}, {"^sev=8", "^sev=0"}, {"^src=10.1.2.3", "^src=host"}, {"^srcPort=50000", "^srcPort=65536"},
		{"^proto=TCP", ""}, {"^rmmTool=", "^sourceTool="}, {"devTime=2026-", "devTime=26-"}, {"^rmmName=", "^rmm^Name="},
	} {
		bad := strings.Replace(good, c.old, c.fresh, 1)
		if bad == good {
			t.Fatalf("no %s in %s", c.old, good)
		}
		if d.check([]byte(bad)) == nil {
			t.Errorf("%s was accepted", c.fresh)
		}
	}
}

// The texts of a line are those of the alert.
func TestLEEFTexts(t *testing.T) {
	w := NewLEEF(files)
	for _, a := range hostileTexts() {
		checkLEEF(t, w.Line(a), a.Tool.ID, a.Tool.Name, a.Evidence[0].Value, a.Evidence[0].Tenant)
	}
}

func checkLEEF(t interface{ Fatalf(string, ...any) }, raw []byte, id, name, value, tenant string) {
	oneRecord(t, raw)
	_, attributes, err := parseLEEF(strings.TrimSuffix(string(raw), "\n"))
	if err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	text := func(s string) string { return strings.ReplaceAll(asEdges(s), "^", `\x5e`) }
	checkText(t, "id", attributes["rmmTool"], text(asPrintable(id)), 1024)
	checkText(t, "name", attributes["rmmName"], text(asProse(name)), 1024)
	checkText(t, "tenant", attributes["rmmTenants"], text(asPrintable(tenant)), 1024)
	evidence := strings.TrimPrefix(attributes["rmmEvidence"], "QUIC ")
	_, evidence, _ = strings.Cut(evidence, " ")
	if i := strings.LastIndex(evidence, " ("+strings.ReplaceAll(asPrintable(id), "^", `\x5e`)); i >= 0 && len(id) < 100 {
		checkText(t, "value", evidence[:i], strings.ReplaceAll(asPrintable(value), "^", `\x5e`), 1024)
	}
}

// Whatever an alert holds, its line has LEEF's form.
func TestAnyLEEF(t *testing.T) {
	d, w := loadLEEF(t), NewLEEF(files)
	rapid.Check(t, func(rt *rapid.T) {
		raw := w.Line(randomAlert(rt))
		oneRecord(rt, raw)
		if err := d.check(raw); err != nil {
			rt.Fatalf("%v\n%s", err, raw)
		}
	})
}
