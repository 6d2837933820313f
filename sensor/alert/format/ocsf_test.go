package format

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// ocsfJudge holds events against the schema of their class, and every
// identifier against the caption beside it.
type ocsfJudge struct {
	schema  *jsonschema.Schema
	classes map[string]ocsfObject
	objects map[string]ocsfObject
}

// ocsfObject is a class or object of the compiled schema.
type ocsfObject struct {
	Attributes map[string]struct {
		Sibling    string
		ObjectType string `json:"object_type"`
		Enum       map[string]struct{ Caption string }
	}
}

// ocsfLoaded is read once: compiling takes a second.
var ocsfLoaded *ocsfJudge

func loadOCSF(t testing.TB) *ocsfJudge {
	t.Helper()
	if ocsfLoaded != nil {
		return ocsfLoaded
	}
	dir := testshared.Dir(t, "schemas/ocsf")
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	schema, err := c.Compile(filepath.Join(dir, "detection_finding-1.8.0.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "ocsf-compiled-1.8.0.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Classes, Objects map[string]ocsfObject }
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	j := &ocsfJudge{schema, all.Classes, all.Objects}
	if len(j.classes["detection_finding"].Attributes) < 40 || len(j.objects) < 100 {
		t.Fatalf("%d attributes, %d objects", len(j.classes["detection_finding"].Attributes), len(j.objects))
	}
	ocsfLoaded = j
	return j
}

// check returns what is wrong with an event.
func (j *ocsfJudge) check(raw []byte) error {
	doc, err := document(raw)
	if err != nil {
		return err
	}
	if err := j.schema.Validate(any(doc)); err != nil {
		return err
	}
	if err := fitsLong(doc); err != nil {
		return err
	}
	var n int
	if err := j.captions(j.classes["detection_finding"], doc, &n); err != nil {
		return err
	}
	if n < 11 {
		return fmt.Errorf("only %d identifiers were compared", n)
	}
	return nil
}

// captions compares identifiers with what stands beside them.
func (j *ocsfJudge) captions(o ocsfObject, doc map[string]any, n *int) error {
	for key, v := range doc {
		a := o.Attributes[key]
		list, isList := v.([]any)
		if !isList {
			list = []any{v}
		}
		for i, v := range list {
			if child, ok := v.(map[string]any); ok {
				if err := j.captions(j.objects[a.ObjectType], child, n); err != nil {
					return fmt.Errorf("%s: %w", key, err)
				}
			}
			if a.Enum == nil || a.Sibling == "" {
				continue
			}
			beside := doc[a.Sibling]
			if names, ok := beside.([]any); ok {
				beside = names[i]
			}
			if want := a.Enum[fmt.Sprint(v)].Caption; beside != want {
				return fmt.Errorf("%s is %v, but %s is %v and not %s", key, v, a.Sibling, beside, want)
			}
			*n++
		}
	}
	return nil
}

// Every event is a Detection Finding of OCSF 1.8.
func TestOCSFSchema(t *testing.T) {
	j, w := loadOCSF(t), NewOCSF(files)
	for _, a := range every(t) {
		raw := w.Line(a)
		oneRecord(t, raw)
		if err := j.check(raw); err != nil {
			t.Fatalf("%v\n%s", err, raw)
		}
	}
}

// The judge refuses what is wrong.
func TestOCSFJudge(t *testing.T) {
	j := loadOCSF(t)
	good := string(NewOCSF(files).Line(kinds()["rat"]))
	for _, c := range []struct{ old, fresh string }{
		{`"severity":"High"`, `"severity":"Medium"`}, {`"type_uid":200401`, `"type_uid":200409`}, {`"type_id":1,"type":"Rule"`, `"type_id":1,"type":"Ruler"`},
		{`"direction":"Outbound"`, `"direction":"Inbound"`}, {`"algorithm":"MD5"`, `"algorithm":"SHA-1"`}, {`"time":`, `"when":`},
		{`["Remote-Access-Trojan"]`, `["Trojan"]`}, {`"role":"Affected"`, `"role":"Target"`}, {`"type":"IP Address"`, `"type":"Hostname"`},
		{`"count":3`, `"count":9223372036854775808`}, {`"protocol_ver":"Internet Protocol version 4 (IPv4)"`, `"protocol_ver":"4"`},
		{`"ip":"10.1.2.3"`, `"ip":"10.1.2"`},
	} {
		bad := strings.Replace(good, c.old, c.fresh, 1)
		if bad == good {
			t.Fatalf("no %s in %s", c.old, good)
		}
		if j.check([]byte(bad)) == nil {
			t.Errorf("%s was accepted", c.fresh)
		}
	}
}

// The texts of an event are those of the alert.
func TestOCSFTexts(t *testing.T) {
	w := NewOCSF(files)
	for _, a := range hostileTexts() {
		checkOCSF(t, w.Line(a), a.Tool.ID, a.Tool.Name, a.Evidence[0].Value, a.Evidence[0].Tenant)
	}
}

func checkOCSF(t interface{ Fatalf(string, ...any) }, raw []byte, id, name, value, tenant string) {
	oneRecord(t, raw)
	var e struct {
		Finding struct {
			Analytic struct{ UID, Name string }
		} `json:"finding_info"`
		Evidences []struct {
			Data struct{ Value, Tenant string }
		}
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	checkText(t, "id", e.Finding.Analytic.UID, asPrintable(id), 1024)
	checkText(t, "name", e.Finding.Analytic.Name, asProse(name), 1024)
	checkText(t, "value", e.Evidences[0].Data.Value, asPrintable(value), 1024)
	checkText(t, "tenant", e.Evidences[0].Data.Tenant, asPrintable(tenant), 1024)
}

// Where facts of an alert stand.
func TestOCSFFields(t *testing.T) {
	var e ocsfEvent
	a := kinds()["rat"]
	if err := json.Unmarshal(NewOCSF(files).Line(a), &e); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(e.TypeUID, e.SeverityID, e.ConfidenceID, e.Finding.UID == a.ID(), e.Metadata.UID == a.ID(), e.Finding.FirstSeen, e.Finding.LastSeen,
		e.Evidences[0].TLS.JA3.Value, e.Evidences[1].Request.Agent, e.Evidences[2].Request.URL.Path, e.Attacks[2].Technique.UID, e.Attacks[2].Sub.UID,
		e.Attacks[3].Tactic, len(e.Observables), e.Malware[0].ClassificationIDs)
	want := "200401 4 2 true true 1772632931000 1772632933000 fc54e0d16d9764783542f0146a98b300 Mozilla/4.0 (compatible; RAT) /gate.php?id=1 T1021 T1021.001 <nil> 2 [11]\n"
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// Whatever an alert holds, its event is valid.
func TestAnyOCSF(t *testing.T) {
	j, w := loadOCSF(t), NewOCSF(files)
	rapid.Check(t, func(rt *rapid.T) {
		raw := w.Line(randomAlert(rt))
		oneRecord(rt, raw)
		if err := j.check(raw); err != nil {
			rt.Fatalf("%v\n%s", err, raw)
		}
	})
}
