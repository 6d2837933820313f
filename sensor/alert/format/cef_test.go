package format

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// parseCEF reads a line as chapter 1 of the CEF Implementation Standard says:
// seven header fields that end at a bar without a backslash, in which \| and
// \\ are escapes; then pairs, in which \=, \\, \n and \r are escapes and a
// value ends at the space before the next key.
func parseCEF(line string) (header []string, pairs map[string]string, err error) {
	rest, ok := strings.CutPrefix(line, "CEF:")
	if !ok {
		return nil, nil, fmt.Errorf("no CEF: at the start")
	}
	var field strings.Builder
	for len(header) < 7 {
		if rest == "" {
			return nil, nil, fmt.Errorf("only %d header fields", len(header))
		}
		switch c := rest[0]; {
		case c == '|':
			header = append(header, field.String())
			field.Reset()
		case c == '\\' && len(rest) > 1 && (rest[1] == '|' || rest[1] == '\\'):
			field.WriteByte(rest[1])
			rest = rest[1:]
		case c == '\\':
			return nil, nil, fmt.Errorf("a backslash that escapes nothing in the header at %q", rest)
		default:
			field.WriteByte(c)
		}
		rest = rest[1:]
	}
	pairs, err = parseExtension(rest)
	return header, pairs, err
}

var cefKey = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

func parseExtension(rest string) (map[string]string, error) {
	pairs := map[string]string{}
	key, value, found := strings.Cut(rest, "=")
	for found {
		var b strings.Builder
		i := 0
		for ; i < len(value) && value[i] != '='; i++ {
			if value[i] != '\\' {
				b.WriteByte(value[i])
				continue
			}
			if i++; i == len(value) || !strings.ContainsRune(`\=nr`, rune(value[i])) {
				return nil, fmt.Errorf("a backslash that escapes nothing in %s", key)
			}
			b.WriteByte(map[byte]byte{'\\': '\\', '=': '=', 'n': '\n', 'r': '\r'}[value[i]])
		}
		if !cefKey.MatchString(key) {
			return nil, fmt.Errorf("key %q", key)
		}
		if _, twice := pairs[key]; twice {
			return nil, fmt.Errorf("key %s stands twice", key)
		}
		if i == len(value) {
			pairs[key] = b.String()
			return pairs, nil
		}
		text := b.String()
		at := strings.LastIndexByte(text, ' ')
		if at < 0 {
			return nil, fmt.Errorf("no space before the key after %s", key)
		}
		pairs[key] = text[:at]
		key, value = text[at+1:], value[i+1:]
	}
	return nil, fmt.Errorf("no pairs in %q", rest)
}

// cefDictionary is ArcSight's dictionary of keys.
type cefDictionary map[string]struct {
	Type, Audience, Length, Since string
}

func loadCEF(t testing.TB) cefDictionary {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(testshared.Dir(t, "schemas/cef-leef"), "cef-extensions.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Extensions []struct{ Key, Type, Audience, Length, Since string }
	}
	if err := yaml.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	d := cefDictionary{}
	for _, e := range list.Extensions {
		d[e.Key] = struct{ Type, Audience, Length, Since string }{e.Type, e.Audience, e.Length, e.Since}
	}
	if len(d) < 150 {
		t.Fatalf("%d keys in the dictionary", len(d))
	}
	return d
}

// check returns what is wrong with a line.
func (d cefDictionary) check(raw []byte) error {
	header, pairs, err := parseCEF(strings.TrimSuffix(string(raw), "\n"))
	if err != nil {
		return err
	}
	if header[0] != "0" || header[1] != "rmmwatch" || header[2] != "rmmwatch" || header[3] != "1" || len(header[4]) > 1023 || len(header[5]) > 512 {
		return fmt.Errorf("header %q", header)
	}
	if n, err := strconv.Atoi(header[6]); err != nil || n < 0 || n > 10 {
		return fmt.Errorf("severity %q", header[6])
	}
	for key, value := range pairs {
		e, ok := d[key]
		if !ok || e.Audience != "producer" || e.Since != "0.1" {
			return fmt.Errorf("%s is no key of CEF 0 for producers: %+v", key, e)
		}
		if limit, err := strconv.Atoi(e.Length); err == nil && len([]rune(value)) > limit {
			return fmt.Errorf("%s has %d characters of %d", key, len(value), limit)
		}
		if err := cefType(e.Type, value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		if label, isLabel := strings.CutSuffix(key, "Label"); isLabel && pairs[label] == "" {
			return fmt.Errorf("%s without a value", key)
		}
		if _, wants := d[key+"Label"]; wants && pairs[key+"Label"] == "" {
			return fmt.Errorf("%s without a label", key)
		}
	}
	return nil
}

func cefType(typ, value string) (err error) {
	switch typ {
	case "string":
		if value == "" || strings.TrimSpace(value) != value {
			err = fmt.Errorf("%q is empty or ends in spaces", value)
		}
	case "integer":
		_, err = strconv.ParseInt(value, 10, 32)
	case "long", "timestamp":
		_, err = strconv.ParseInt(value, 10, 64)
	case "ipv4_address", "ipv6_address":
		var a netip.Addr
		if a, err = netip.ParseAddr(value); err == nil && a.Is4() != (typ == "ipv4_address") {
			err = fmt.Errorf("%s is no %s", value, typ)
		}
	default:
		err = fmt.Errorf("type %s", typ)
	}
	return err
}

// asEdges is how CEF and LEEF write a space at either end.
func asEdges(s string) string {
	if s != "" && s[0] == ' ' {
		s = `\x20` + s[1:]
	}
	if s != "" && s[len(s)-1] == ' ' {
		s = s[:len(s)-1] + `\x20`
	}
	return s
}

// Every line has the keys, types and lengths of the dictionary.
func TestCEFDictionary(t *testing.T) {
	d, w := loadCEF(t), NewCEF(files)
	for _, a := range every(t) {
		raw := w.Line(a)
		oneRecord(t, raw)
		if err := d.check(raw); err != nil {
			t.Fatalf("%v\n%s", err, raw)
		}
	}
}

// The judge refuses what is wrong.
func TestCEFJudge(t *testing.T) {
	d := loadCEF(t)
	good := string(NewCEF(files).Line(ordinary("10.1.2.3")))
	for _, c := range []struct{ old, fresh string }{
		{"CEF:0|", "CEF:1|"}, {"|8|", "|11|"}, {" src=10.1.2.3", " src=fd00::1"}, {" spt=50000", " spt=https"}, {" cs1Label=confidence", ""},
		{" cs1=high", ""}, {" cat=", " category="}, {" msg=", " msg=a=b"}, {" msg=", ` msg=\q`}, {"|anydesk|", "|any|desk|"},
		{"|externalId=", "|externalId=" + strings.Repeat("x", 41)}, {" proto=", " threatAttackID=1 proto="}, {" cnt=", " cnt=4294967296"},
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
func TestCEFTexts(t *testing.T) {
	w := NewCEF(files)
	for _, a := range hostileTexts() {
		checkCEF(t, w.Line(a), a.Tool.ID, aboutTool(a.Tool), a.Evidence[0].Value, a.Evidence[0].Tenant)
	}
}

// aboutTool is the name of an alert about a tool.
func aboutTool(t *detect.Tool) string {
	if t.Imitated != nil {
		return "Look-alike domain of " + asProse(t.Imitated.Name)
	}
	return "Remote access with " + asProse(t.Name)
}

func checkCEF(t interface{ Fatalf(string, ...any) }, raw []byte, id, name, value, tenant string) {
	oneRecord(t, raw)
	header, pairs, err := parseCEF(strings.TrimSuffix(string(raw), "\n"))
	if err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	checkText(t, "id", header[4], asEdges(asPrintable(id)), 1023)
	checkText(t, "name", header[5], asEdges(name), 512)
	checkText(t, "tenant", pairs["cs3"], asEdges(asPrintable(tenant)), 1024)
	evidence := strings.TrimPrefix(pairs["cs5"], "QUIC ")
	_, evidence, _ = strings.Cut(evidence, " ")
	if i := strings.LastIndex(evidence, " ("+asPrintable(id)); i >= 0 && len(id) < 100 {
		checkText(t, "value", evidence[:i], asPrintable(value), 1024)
	}
}

// Where facts of an alert stand.
func TestCEFFields(t *testing.T) {
	m := kinds()
	pairs := func(name string) map[string]string {
		_, p, err := parseCEF(strings.TrimSuffix(string(NewCEF(files).Line(m[name])), "\n"))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	in, six, out := pairs("inbound"), pairs("ipv6"), pairs("outbound")
	got := fmt.Sprintln(in["src"], in["dst"], in["dpt"], in["deviceDirection"], in["in"], in["out"], in["cn1"], six["c6a1"], six["c6a3"], six["out"], six["cn1"],
		six["cn2"], six["dhost"], out["rt"], out["start"], out["end"], out["externalId"] == m["outbound"].ID(), out["cat"])
	want := "198.51.100.7 10.1.2.3 5900 0 1234567 48000000 1234567 2001:db8::3 2001:db8:1::7 2147483647 1099511627776 9223372036854775807 " +
		"stun.parsec.example 1772632936000 1772632931000 1772634531000 true unsanctioned-tool\n"
	if got != want {
		t.Errorf("%swant %s", got, want)
	}
}

// Whatever an alert holds, its line is of the dictionary.
func TestAnyCEF(t *testing.T) {
	d, w := loadCEF(t), NewCEF(files)
	rapid.Check(t, func(rt *rapid.T) {
		raw := w.Line(randomAlert(rt))
		oneRecord(rt, raw)
		if err := d.check(raw); err != nil {
			rt.Fatalf("%v\n%s", err, raw)
		}
	})
}
