package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// ecsField is what Elastic's generated list says of a field.
type ecsField struct {
	Type        string
	IgnoreAbove int `yaml:"ignore_above"`
	Normalize   []string
	Pattern     string
	Expected    []string `yaml:"expected_values"`
	Allowed     []struct {
		Name   string
		Events []string `yaml:"expected_event_types"`
	} `yaml:"allowed_values"`
}

// ecsSchema is ECS as Elastic publishes it: fields by their dotted names.
type ecsSchema map[string]*ecsField

// ecsLoaded is read once: the list has 1.2 MB.
var ecsLoaded ecsSchema

func loadECS(t testing.TB) ecsSchema {
	t.Helper()
	if ecsLoaded != nil {
		return ecsLoaded
	}
	raw, err := os.ReadFile(filepath.Join(testshared.Dir(t, "schemas/ecs"), "ecs_flat-v9.4.0.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var s ecsSchema
	if err := yaml.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	if len(s) < 1500 {
		t.Fatalf("only %d fields in the schema", len(s))
	}
	ecsLoaded = s
	return s
}

// document reads a line of JSON, numbers as they stand.
func document(raw []byte) (doc map[string]any, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return doc, d.Decode(&doc)
}

// check returns what is wrong with a document.
func (s ecsSchema) check(raw []byte) error {
	doc, err := document(raw)
	if err != nil {
		return err
	}
	flat := map[string]any{}
	flatten(flat, "", doc)
	for key, v := range flat {
		if strings.HasPrefix(key, "rmmwatch.") {
			if err := fitsLong(v); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			continue
		}
		if err := s.field(key, v); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	for _, must := range []string{"@timestamp", "ecs.version", "event.kind", "event.category", "event.type", "message"} {
		if flat[must] == nil {
			return fmt.Errorf("no %s", must)
		}
	}
	return s.events(flat)
}

func flatten(dst map[string]any, name string, v any) {
	m, ok := v.(map[string]any)
	if !ok {
		dst[name] = v
		return
	}
	for k, v := range m {
		flatten(dst, strings.TrimPrefix(name+"."+k, "."), v)
	}
}

// fitsLong refuses numbers that Elasticsearch's long does not hold.
func fitsLong(v any) error {
	switch v := v.(type) {
	case json.Number:
		_, err := v.Int64()
		return err
	case []any:
		for _, e := range v {
			if err := fitsLong(e); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, e := range v {
			if err := fitsLong(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s ecsSchema) field(key string, v any) error {
	f := s[key]
	if f == nil {
		return fmt.Errorf("not a field of ECS")
	}
	list, isList := v.([]any)
	if isList != slices.Contains(f.Normalize, "array") {
		return fmt.Errorf("a list: %v, normalized as %v", isList, f.Normalize)
	}
	if !isList {
		list = []any{v}
	}
	if len(list) == 0 {
		return fmt.Errorf("an empty list")
	}
	for _, v := range list {
		if err := f.value(v); err != nil {
			return err
		}
	}
	return nil
}

func (f *ecsField) value(v any) error {
	text, isText := v.(string)
	number, isNumber := v.(json.Number)
	ok, err := false, error(nil)
	switch f.Type {
	case "keyword", "match_only_text", "wildcard", "constant_keyword":
		ok = isText && text != "" && (f.IgnoreAbove == 0 || len([]rune(text)) <= f.IgnoreAbove)
	case "ip":
		ok = isText
		_, err = netip.ParseAddr(text)
	case "long":
		ok = isNumber
		_, err = strconv.ParseInt(number.String(), 10, 64)
	case "float", "scaled_float":
		ok = isNumber
	case "date":
		ok = isText
		_, err = time.Parse(time.RFC3339Nano, text)
	case "boolean":
		_, ok = v.(bool)
	}
	if !ok || err != nil {
		return fmt.Errorf("%v is no %s of at most %d characters: %v", v, f.Type, f.IgnoreAbove, err)
	}
	if f.Pattern != "" && !regexp.MustCompile(f.Pattern).MatchString(text) {
		return fmt.Errorf("%q is not as %s", text, f.Pattern)
	}
	if len(f.Expected) > 0 && !slices.Contains(f.Expected, text) {
		return fmt.Errorf("%q is none of %v", text, f.Expected)
	}
	for i := range f.Allowed {
		if f.Allowed[i].Name == text {
			return nil
		}
	}
	if len(f.Allowed) > 0 {
		return fmt.Errorf("%q is not allowed", text)
	}
	return nil
}

// events holds event.type against what each event.category expects.
func (s ecsSchema) events(flat map[string]any) error {
	for _, category := range flat["event.category"].([]any) {
		for _, a := range s["event.category"].Allowed {
			if a.Name != category {
				continue
			}
			for _, typ := range flat["event.type"].([]any) {
				if !slices.Contains(a.Events, typ.(string)) {
					return fmt.Errorf("category %s does not expect type %s", category, typ)
				}
			}
		}
	}
	return nil
}

// Every document is of ECS 9.4, field by field.
func TestECSSchema(t *testing.T) {
	s, w := loadECS(t), NewECS(files)
	for _, a := range every(t) {
		raw := w.Line(a)
		oneRecord(t, raw)
		if err := s.check(raw); err != nil {
			t.Fatalf("%v\n%s", err, raw)
		}
	}
}

// The judge refuses what is wrong.
func TestECSJudge(t *testing.T) {
	s := loadECS(t)
	good := string(NewECS(files).Line(ordinary("10.1.2.3")))
	for _, c := range []struct{ old, fresh string }{
		{`"kind":"alert"`, `"kind":"alarm"`}, {`"direction":"outbound"`, `"direction":"out"`}, {`"port":443`, `"port":"443"`},
		{`"category":["intrusion_detection","network"]`, `"category":"network"`}, {`"type":["info"]`, `"type":["user"]`},
		{`"ip":["10.1.2.3"]`, `"ip":["10.1.2"]`}, {`"hosts":[`, `"hostnames":[`}, {`"start":"2026-03-04T`, `"start":"2026-03-04 `},
		{`"message":"`, `"massage":"`}, {`"action":"`, `"action":"` + strings.Repeat("x", 1025)}, {`"flows":3`, `"flows":9223372036854775808`},
	} {
		bad := strings.Replace(good, c.old, c.fresh, 1)
		if bad == good {
			t.Fatalf("no %s in %s", c.old, good)
		}
		if s.check([]byte(bad)) == nil {
			t.Errorf("%s was accepted", c.fresh)
		}
	}
}

// The texts of a document are those of the alert.
func TestECSTexts(t *testing.T) {
	w := NewECS(files)
	for _, a := range hostileTexts() {
		checkECS(t, w.Line(a), a.Tool.ID, a.Tool.Name, a.Evidence[0].Value, a.Evidence[0].Tenant)
	}
}

func checkECS(t interface{ Fatalf(string, ...any) }, raw []byte, id, name, value, tenant string) {
	oneRecord(t, raw)
	var d struct {
		Own struct {
			Tool     struct{ ID, Name string }
			Evidence []struct{ Value, Tenant string }
		} `json:"rmmwatch"`
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	checkText(t, "id", d.Own.Tool.ID, asPrintable(id), 1024)
	checkText(t, "name", d.Own.Tool.Name, asProse(name), 1024)
	checkText(t, "value", d.Own.Evidence[0].Value, asPrintable(value), 1024)
	checkText(t, "tenant", d.Own.Evidence[0].Tenant, asPrintable(tenant), 1024)
}

// Where facts of an ordinary alert stand.
func TestECSFields(t *testing.T) {
	flat := map[string]any{}
	m := kinds()
	for _, name := range []string{"names-only", "rat", "ipv6", "tunnel"} {
		doc, err := document(NewECS(files).Line(m[name]))
		if err != nil {
			t.Fatal(err)
		}
		flatten(flat, name, doc)
	}
	for key, want := range map[string]string{
		"names-only.dns.question.name": "agent-api.atera.com", "names-only.destination.domain": "<nil>", "names-only.source.bytes": "<nil>",
		"names-only.network.direction": "internal", "rat.event.category": "[intrusion_detection network malware]",
		"rat.threat.technique.id": "[T1219 T1571 T1021 T1105]", "rat.threat.technique.subtechnique.name": "[Remote Desktop Protocol]",
		"rat.threat.tactic.id": "[TA0011 TA0008]", "rat.tls.client.ja3": "fc54e0d16d9764783542f0146a98b300", "rat.url.path": "/gate.php?id=1",
		"rat.user_agent.original": "Mozilla/4.0 (compatible; RAT)", "rat.http.request.method": "GET", "rat.threat.software.type": "Malware",
		"ipv6.tls.client.server_name": "stun.parsec.example", "ipv6.destination.domain": "stun.parsec.example", "ipv6.network.type": "ipv6",
		"ipv6.tls.server.x509.alternative_names": "[parsec.example]", "ipv6.url.domain": "api.parsec.example", "ipv6.network.protocol": "quic",
		"ipv6.related.hosts":       "[stun.parsec.example parsec.example api.parsec.example]",
		"ipv6.rmmwatch.bytes.down": "9223372036854775807", "tunnel.network.vlan.id": "4001", "tunnel.rmmwatch.tunnel": "vxlan:5010",
		"tunnel.tls.server.x509.subject.distinguished_name": "CN=AnyNet Relay, O=philandro Software GmbH, C=DE",
		"tunnel.event.risk_score":                           "73", "tunnel.event.duration": "1600000000000",
	} {
		if got := fmt.Sprint(flat[key]); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
}

// Whatever an alert holds, its document is of ECS.
func TestAnyECS(t *testing.T) {
	s, w := loadECS(t), NewECS(files)
	rapid.Check(t, func(rt *rapid.T) {
		raw := w.Line(randomAlert(rt))
		oneRecord(rt, raw)
		if err := s.check(raw); err != nil {
			rt.Fatalf("%v\n%s", err, raw)
		}
	})
}
