package config

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// Every configuration in the documentation is one that is taken.
func TestDocumented(t *testing.T) {
	pages, err := filepath.Glob("../../docs/outputs/*.md")
	if err != nil || len(pages) < 3 {
		t.Fatal(pages, err)
	}
	for _, page := range append(pages, "../../docs/configuration.md", "../../docs/ledger.md", "../../docs/packs.md", "../../README.md") {
		raw, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		blocks := yamlBlock.FindAllStringSubmatch(string(raw), -1)
		if len(blocks) == 0 {
			t.Errorf("%s shows no configuration", page)
		}
		for _, b := range blocks {
			text := b[1]
			if strings.Contains(text, "outputs:") && !strings.Contains(text, "state:") {
				text = "state: s\n" + text
			}
			if _, err := Parse("doc", []byte(text)); err != nil {
				t.Errorf("%s:\n%s\n%v", page, text, err)
			}
		}
	}
}

// Each key of an output is named on the page of its kind or on that of all.
func TestKeysDocumented(t *testing.T) {
	var text string
	for _, page := range []string{"configuration.md", "outputs/http.md", "outputs/syslog.md", "outputs/file.md"} {
		raw, err := os.ReadFile("../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		text += string(raw)
	}
	for _, kind := range []string{"syslog", "webhook", "file", "splunk", "elasticsearch"} {
		_, err := Parse("x", []byte("state: s\noutputs: [{"+kind+": {nonsense: 1}}]"))
		if err == nil {
			t.Fatal("nonsense was taken")
		}
		_, list, _ := strings.Cut(err.Error(), "known are ")
		list, _, _ = strings.Cut(list, "\n")
		for _, key := range strings.Split(list, ", ") {
			if !regexp.MustCompile(`\b` + key + `\b`).MatchString(text) {
				t.Errorf("%s: key %s is documented nowhere", kind, key)
			}
		}
	}
}

func TestOutputs(t *testing.T) {
	c, err := Parse("/etc/x/rmmwatch.yaml", []byte(`
outputs:
  - syslog: {address: "tls://siem.example:6514", ca_file: ca.pem, facility: auth, confirm: false, min_severity: high}
  - webhook: {name: soar, url: "https://soar.example/x", secret_file: /s, secret_files: [old], headers: {Authorization: {env: AUTH}}, batch: {mode: array, wait: 5s}, gzip: true}
  - elasticsearch: {url: "https://e.example", index: i, api_key_env: KEY}
sensor: hq-1
state: state
`))
	if err != nil {
		t.Fatal(err)
	}
	s, w, e := c.Outputs[0], c.Outputs[1], c.Outputs[2]
	if s.Syslog.Network != "tls" || s.Syslog.Hostname != "hq-1" || s.Syslog.TLS.CAFile != "/etc/x/ca.pem" || *s.Syslog.Confirm || s.Filter.MinSeverity != alert.SeverityHigh ||
		s.Name != "syslog" || s.At != "/etc/x/rmmwatch.yaml:3:5" {
		t.Errorf("%+v, %+v", s, s.Syslog)
	}
	if w.Name != "soar" || len(w.Webhook.Secrets) != 2 || w.Webhook.Secrets[0].File != "/etc/x/old" || w.Webhook.Header["Authorization"].Env != "AUTH" ||
		w.Batch.Count != 100 || w.Batch.Wait.Seconds() != 5 || !w.Webhook.Gzip {
		t.Errorf("%+v, %+v", w, w.Webhook)
	}
	if e.Format != "ecs" || e.Elasticsearch.APIKey.Env != "KEY" || c.State != "/etc/x/state" {
		t.Errorf("%+v, %+v", e, e.Elasticsearch)
	}
	if err := c.KeepOutputs([]string{"soar"}); err != nil || len(c.Outputs) != 1 || c.Outputs[0].Name != "soar" {
		t.Errorf("%v, %+v", err, c.Outputs)
	}
	known := []string{"anydesk"}
	c.Outputs[0].Filter.Tools = []string{"anydesk", "anydsk"}
	if err := c.CheckTools(func(id string) bool { return slices.Contains(known, id) }); err == nil || strings.Count(err.Error(), "\n") != 0 {
		t.Errorf("%v", err)
	}
}
