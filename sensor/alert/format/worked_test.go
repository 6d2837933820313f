package format

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
)

// worked are the templates of docs/templates, with what their receivers demand.
var worked = []struct {
	name  string
	check func(raw []byte) error
}{
	{"slack", checkSlack}, {"teams", checkTeams}, {"pagerduty", checkPagerDuty}, {"thehive", checkTheHive},
}

// workedTemplate reads one of docs/templates.
func workedTemplate(t testing.TB, name string) *Template {
	t.Helper()
	name += ".tmpl"
	text, err := os.ReadFile("../../../docs/templates/" + name)
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewTemplate(name, string(text), files)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// size returns an error where s is empty or has more than n characters.
func within(what, s string, n int) error {
	if s == "" || utf8.RuneCountInString(s) > n {
		return fmt.Errorf("%s has %d characters of 1 to %d", what, len(s), n)
	}
	return nil
}

// firstError is the first that is not nil.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Slack, https://docs.slack.dev/reference/block-kit/blocks: header 150, section
// 3000, field 2000, 10 fields, 50 blocks; "<", ">" and "&" only as entities.
func checkSlack(raw []byte) error {
	type text struct {
		Type, Text string
		Verbatim   bool
	}
	var m struct {
		Text   string
		Blocks []struct {
			Type     string
			Text     *text
			Fields   []text
			Elements []text
		}
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	if err := within("text", m.Text, 4000); err != nil {
		return err
	}
	if len(m.Blocks) < 3 || len(m.Blocks) > 50 || m.Blocks[0].Type != "header" {
		return fmt.Errorf("%d blocks", len(m.Blocks))
	}
	for _, b := range m.Blocks {
		limit := map[string]int{"header": 150, "section": 3000, "context": 2000}[b.Type]
		all := append(slices.Clone(b.Fields), b.Elements...)
		if b.Text != nil {
			all = append(all, *b.Text)
		}
		if limit == 0 || len(all) == 0 || len(b.Fields) > 10 || len(b.Elements) > 10 {
			return fmt.Errorf("block %+v", b)
		}
		if len(b.Fields) > 0 {
			limit = 2000
		}
		for _, one := range all {
			if err := within(b.Type, one.Text, limit); err != nil {
				return err
			}
			switch one.Type {
			case "mrkdwn":
				rest := strings.NewReplacer("&amp;", "", "&lt;", "", "&gt;", "").Replace(one.Text)
				if strings.ContainsAny(rest, "<>&") || !one.Verbatim {
					return fmt.Errorf("mrkdwn %q", one.Text)
				}
			case "plain_text":
			default:
				return fmt.Errorf("text %+v", one)
			}
		}
	}
	return nil
}

// Teams: an envelope of one Adaptive Card 1.5, 28 KB at most. Texts that may
// come from the wire stand in text runs only.
func checkTeams(raw []byte) error {
	var m struct {
		Type        string
		Attachments []struct {
			ContentType string
			Content     struct {
				Type, Version string
				Body          []struct {
					Type    string
					Inlines []struct{ Type, Text string }
				}
			}
		}
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	if len(raw) > 28_000 || m.Type != "message" || len(m.Attachments) != 1 {
		return fmt.Errorf("%d bytes, %s, %d attachments", len(raw), m.Type, len(m.Attachments))
	}
	a := m.Attachments[0]
	if a.ContentType != "application/vnd.microsoft.card.adaptive" || a.Content.Type != "AdaptiveCard" || a.Content.Version != "1.5" || len(a.Content.Body) < 6 {
		return fmt.Errorf("%+v", a)
	}
	for _, b := range a.Content.Body {
		if b.Type != "RichTextBlock" || len(b.Inlines) == 0 {
			return fmt.Errorf("%+v", b)
		}
		for _, run := range b.Inlines {
			if run.Type != "TextRun" {
				return fmt.Errorf("%+v", run)
			}
		}
	}
	return nil
}

// PagerDuty, https://developer.pagerduty.com/docs/send-alert-event.
func checkPagerDuty(raw []byte) error {
	var m struct {
		Key     string `json:"routing_key"`
		Action  string `json:"event_action"`
		Dedup   string `json:"dedup_key"`
		Payload struct {
			Summary, Source, Severity, Timestamp, Component, Group, Class string
			Details                                                       map[string]any `json:"custom_details"`
		}
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	p := &m.Payload
	if m.Key == "" || m.Action != "trigger" || len(raw) > 512*1024 || len(p.Details) == 0 || p.Class == "" {
		return fmt.Errorf("%+v", m)
	}
	if !slices.Contains([]string{"critical", "error", "warning", "info"}, p.Severity) {
		return fmt.Errorf("severity %s", p.Severity)
	}
	_, err := time.Parse(time.RFC3339Nano, p.Timestamp)
	return firstError(err, within("summary", p.Summary, 1024), within("source", p.Source, 1024), within("dedup_key", m.Dedup, 255))
}

// TheHive 5, https://docs.strangebee.com/thehive/api-docs: alert, create.
func checkTheHive(raw []byte) error {
	var m struct {
		Type, Source, SourceRef, Title, Description string
		Severity                                    int
		Date                                        int64
		Tags                                        []string
		TLP, PAP                                    int
		Observables                                 []struct{ DataType, Data string }
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	if err := d.Decode(&m); err != nil {
		return err
	}
	if m.Severity < 1 || m.Severity > 4 || m.TLP != 2 || m.PAP != 2 || len(m.Observables) == 0 || len(m.Observables) > 100 || len(m.Tags) < 3 {
		return fmt.Errorf("%+v", m)
	}
	for _, tag := range m.Tags {
		if err := within("tag", tag, 128); err != nil {
			return err
		}
	}
	for _, o := range m.Observables {
		if _, err := netip.ParseAddr(o.Data); o.DataType == "ip" && err != nil || o.Data == "" || !slices.Contains([]string{"ip", "fqdn"}, o.DataType) {
			return fmt.Errorf("observable %+v", o)
		}
	}
	return firstError(within("type", m.Type, 32), within("source", m.Source, 32), within("sourceRef", m.SourceRef, 128), within("title", m.Title, 512),
		within("description", m.Description, 1<<20))
}

// The worked templates are what their receivers accept, whatever the alert.
func TestWorkedTemplates(t *testing.T) {
	for _, c := range worked {
		w := workedTemplate(t, c.name)
		check := func(t interface{ Fatalf(string, ...any) }, a *alert.Alert) {
			raw := w.Line(a)
			oneRecord(t, raw)
			if strings.Contains(string(raw), "rmmwatch_error") {
				t.Fatalf("%s: %s", c.name, raw)
			}
			if err := c.check(raw); err != nil {
				t.Fatalf("%s: %v\n%s", c.name, err, raw)
			}
		}
		for _, a := range every(t) {
			check(t, a)
		}
		rapid.Check(t, func(rt *rapid.T) { check(rt, randomAlert(rt)) })
	}
}

// The severities of receivers, by kind and severity.
func TestWorkedSeverities(t *testing.T) {
	pager, hive := workedTemplate(t, "pagerduty"), workedTemplate(t, "thehive")
	for kind, want := range map[string][2]string{
		"outbound": {`"severity":"error"`, `"severity":3,`}, "rat": {`"severity":"critical"`, `"severity":4,`},
		"names-only": {`"severity":"warning"`, `"severity":2,`},
	} {
		a := kinds()[kind]
		if p, h := string(pager.Line(a)), ""; !strings.Contains(p, want[0]) {
			t.Errorf("%s: %s", kind, p)
		} else if h = string(hive.Line(a)); !strings.Contains(h, want[1]) {
			t.Errorf("%s: %s", kind, h)
		}
	}
}
