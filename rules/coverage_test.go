package rules_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/rmmwatch/rmmwatch/rules"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// factTool is what the coverage test reads of a tool in facts/tools.json.
type factTool struct {
	ID, Category string
	Attack       []string `json:"attack_techniques"`
	Indicators   struct{ Domains []factName }
}

// factName is one name or set of names of a tool.
type factName struct {
	Pattern     string
	Match       string // exact; suffix: the name and all below it; glob: * within a label; regex
	Role        string
	SharedInfra bool `json:"shared_infra"`
	Verified    any  // true; "parent-only": read in a source for the parent name; false: memory only
}

// gaps is testdata/coverage.yaml: where the rules differ from the facts, each
// with its reason.
type gaps struct {
	Files   map[string][]string          // tool: the rule files that have it, if not its own
	Without map[string]string            // tool without a rule file: why
	Names   map[string]map[string]string // tool, pattern that no indicator has: why
}

// regexSamples has a name for each regex in the facts.
var regexSamples = map[string]string{
	`relay-[0-9a-f]{8}\.net\.anydesk\.com`:                   "relay-3185a847.net.anydesk.com",
	`\d{1,3}-\d{1,3}-\d{1,3}-\d{1,3}\.relay\.splashtop\.com`: "54-183-19-7.relay.splashtop.com",
	`derp\d+[a-z]?(-all)?\.tailscale\.com`:                   "derp4f.tailscale.com",
}

// TestCoverage holds the rules against the collected facts: each tool has a
// file, or is said to have no mark on the network; malware, and nothing else,
// has the class that cannot be sanctioned; each name that a source verifies is
// matched by the tool's own file; and a page about the tool, a host that it
// shares with others, and a name that nobody checked claim no more than low
// confidence.
func TestCoverage(t *testing.T) {
	set, err := detect.LoadFS("embedded", rules.FS)
	if err != nil {
		t.Fatal(err)
	}
	tools, lists := facts(t), readGaps(t)
	c := coverage{T: t, set: set, gaps: lists}
	ids := make([]string, len(tools))
	for i, tool := range tools {
		ids[i] = tool.ID
		c.tool(&tool)
	}
	for id := range lists.Files {
		c.known(ids, id)
	}
	for id := range lists.Without {
		c.known(ids, id)
	}
	for id := range lists.Names {
		c.known(ids, id)
	}
	t.Logf("%d of %d tools have rules (%d files), %d have no mark on the network; %d of %d verified names are matched, %d are left out with a reason",
		c.covered, len(tools), len(set.Tools()), len(lists.Without), c.matched, c.names, c.leftOut)
}

// TestAdvisories: a CISA advisory that names a tool is in the tool's file, and
// an advisory that nobody looked up is in none.
func TestAdvisories(t *testing.T) {
	set, err := detect.LoadFS("embedded", rules.FS)
	if err != nil {
		t.Fatal(err)
	}
	var advisories []struct {
		ID, Type, Verification string
		Products               []string
	}
	readFacts(t, "advisories.json", &advisories)
	files := readGaps(t).Files
	checked := 0
	for _, a := range advisories {
		lookedUp := strings.HasPrefix(a.Verification, "retrieved")
		if !lookedUp {
			for _, tool := range set.Tools() {
				if slices.Contains(tool.Advisories, a.ID) {
					t.Errorf("%s has %s, which nobody looked up", tool.ID, a.ID)
				}
			}
			continue
		}
		for _, product := range a.Products {
			ids := slices.Concat(files[product], []string{product})
			has := slices.ContainsFunc(ids, func(id string) bool {
				tool := set.Tool(id)
				return tool != nil && slices.Contains(tool.Advisories, a.ID)
			})
			if a.Type == "cisa-csa" && !has {
				t.Errorf("%s lacks %s", product, a.ID)
			}
			checked++
		}
	}
	if checked < 50 {
		t.Errorf("only %d advisories", checked)
	}
}

// facts reads what is known of each tool.
func facts(t *testing.T) (tools []factTool) {
	readFacts(t, "tools.json", &tools)
	if len(tools) < 180 {
		t.Fatalf("only %d tools", len(tools))
	}
	return tools
}

func readFacts(t *testing.T, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(testshared.Dir(t, "facts"), name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

func readGaps(t *testing.T) (g gaps) {
	raw, err := os.ReadFile("testdata/coverage.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	if err := d.Decode(&g); err != nil {
		t.Fatal(err)
	}
	return g
}

// coverage counts what the rules have and reports what they lack.
type coverage struct {
	*testing.T
	set  *detect.Ruleset
	gaps gaps

	covered, names, matched, leftOut int
}

func (c *coverage) known(ids []string, id string) {
	if !slices.Contains(ids, id) {
		c.Errorf("coverage.yaml speaks of %s, which is not in the facts", id)
	}
}

func (c *coverage) tool(tool *factTool) {
	files := []string{tool.ID}
	if other, ok := c.gaps.Files[tool.ID]; ok {
		files = other
	}
	var have []string
	for _, id := range files {
		if c.set.Tool(id) != nil {
			have = append(have, id)
		}
	}
	reason, without := c.gaps.Without[tool.ID]
	switch {
	case without && (reason == "" || have != nil):
		c.Errorf("coverage.yaml says that %s has no rules because %q, but it has %v", tool.ID, reason, have)
	case without:
		return
	case len(have) < len(files):
		c.Errorf("%s: no rule file (want %v, have %v)", tool.ID, files, have)
		return
	}
	c.covered++
	c.kind(tool, have)
	for _, n := range tool.Indicators.Domains {
		c.name(tool.ID, have, &n)
	}
	for pattern := range c.gaps.Names[tool.ID] {
		if !slices.ContainsFunc(tool.Indicators.Domains, func(n factName) bool { return n.Pattern == pattern }) {
			c.Errorf("%s: coverage.yaml leaves out %q, which is not in the facts", tool.ID, pattern)
		}
	}
}

// kind compares the class and, in the tool's own file, the techniques.
func (c *coverage) kind(tool *factTool, files []string) {
	for _, id := range files {
		if f := c.set.Tool(id); (f.Class == "rat") != (tool.Category == "malware-rmm") {
			c.Errorf("%s: class %s, but the facts call it %s", id, f.Class, tool.Category)
		}
	}
	own := c.set.Tool(tool.ID)
	for _, technique := range tool.Attack {
		if own != nil && !slices.Contains(own.Attack, technique) {
			c.Errorf("%s: attack lacks %s", tool.ID, technique)
		}
	}
}

func (c *coverage) name(id string, files []string, n *factName) {
	verified := n.Verified == true
	if verified {
		c.names++
	}
	hits := c.hits(files, sample(c.T, n))
	var ids []string
	for _, in := range hits {
		ids = append(ids, in.ID)
	}
	reason, left := c.gaps.Names[id][n.Pattern]
	switch {
	case left && (hits != nil || reason == "" || !verified):
		c.Errorf("%s: coverage.yaml leaves out %q because %q; verified: %v, matched by %v", id, n.Pattern, reason, n.Verified, ids)
	case left:
		c.leftOut++
	case hits != nil && verified:
		c.matched++
	case verified:
		c.Errorf("%s: nothing matches %s (%s, %s)", id, n.Pattern, n.Match, n.Role)
	}
	for _, in := range hits {
		if in.Role == "marketing" || in.Confidence == detect.Low {
			continue
		}
		if n.Role == "marketing" || n.SharedInfra || n.Verified == false {
			c.Errorf("%s: %s has confidence %s for %s (%s, shared: %v, verified: %v)",
				id, in.ID, in.Confidence, n.Pattern, n.Role, n.SharedInfra, n.Verified)
		}
	}
}

// hits are the indicators of the files that need nothing but one of the names.
func (c *coverage) hits(files []string, names []string) (hits []*detect.Indicator) {
	for _, name := range names {
		for _, h := range c.set.Match(&detect.Fields{Kind: detect.KindSNI, Names: [][]byte{[]byte(name)}}, nil) {
			if h.Complete() && slices.Contains(files, h.Indicator.Tool.ID) && !slices.Contains(hits, h.Indicator) {
				hits = append(hits, h.Indicator)
			}
		}
	}
	return hits
}

// sample returns names that n stands for. A page about the tool is at the name
// itself and at www; other sets of names must be matched below their name.
func sample(t *testing.T, n *factName) []string {
	switch n.Match {
	case "exact":
		return []string{n.Pattern}
	case "suffix":
		if n.Role == "marketing" {
			return []string{n.Pattern, "www." + n.Pattern}
		}
		return []string{"a1." + n.Pattern}
	case "glob":
		return []string{strings.ReplaceAll(n.Pattern, "*", "a1")}
	case "regex":
		name := regexSamples[n.Pattern]
		if ok, err := regexp.MatchString("^(?:"+n.Pattern+")$", name); !ok || err != nil {
			t.Fatalf("regexSamples has no name for %s", n.Pattern)
		}
		return []string{name}
	}
	t.Fatalf("%s: unknown kind of match %q", n.Pattern, n.Match)
	return nil
}
