package suricata

import (
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
	"github.com/rmmwatch/rmmwatch/sensor/intel/exporttest"
)

func exported(t testing.TB, e *intel.Export) []intel.ExportFile {
	t.Helper()
	files, err := Export(e)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var outHeadRE = regexp.MustCompile(`^alert (dns|tls|quic|http|tcp|udp|ip) (any|[0-9a-f.:/\[\],]+) (any|[0-9:\[\],]+) (->|<>) (any|[0-9a-f.:/\[\],]+) (any|[0-9:\[\],]+) \((.*;)\)$`)

// ruleOptions splits the body of a rule by its grammar: options end at a
// semicolon that no backslash and no quotes protect.
func ruleOptions(t testing.TB, body string) (out [][2]string) {
	t.Helper()
	quoted := false
	start := 0
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ';' && quoted:
			t.Fatalf("a bare semicolon inside quotes: %s", body)
		case c == ';':
			name, value, _ := strings.Cut(strings.TrimSpace(body[start:i]), ":")
			out = append(out, [2]string{name, value})
			start = i + 1
		}
	}
	if quoted || start != len(body) {
		t.Fatalf("the rule does not end: %s", body)
	}
	return out
}

// contentBytes reads a content as Suricata does.
func contentBytes(t testing.TB, s string) string {
	t.Helper()
	var b strings.Builder
	for i, part := range strings.Split(s, "|") {
		if i%2 == 0 {
			if strings.ContainsAny(part, `";\:`) {
				t.Fatalf("%q must be escaped", part)
			}
			b.WriteString(part)
			continue
		}
		raw, err := hex.DecodeString(strings.ReplaceAll(part, " ", ""))
		if err != nil || len(raw) == 0 {
			t.Fatalf("hexadecimal %q: %v", part, err)
		}
		b.Write(raw)
	}
	return b.String()
}

var outKeywords = strings.Fields(`msg flow dns.query tls.sni quic.sni http.host http.uri http.method http.user_agent tls.cert_subject tls.cert_issuer
	ja3.hash ja4.hash content nocase bsize dotprefix startswith endswith offset depth distance pcre byte_test isdataat stream_size dsize flowbits
	noalert threshold classtype sid rev metadata`)

// Without Suricata: the grammar, sids of their own, and expressions that
// compile.
func TestSyntax(t *testing.T) {
	for _, e := range []*intel.Export{exporttest.New(t, exporttest.Rules(t)), exporttest.Hostile(t)} {
		sids := make(map[string]bool)
		for line := range strings.Lines(string(exported(t, e)[0].Data)) {
			line = strings.TrimSuffix(line, "\n")
			if strings.HasPrefix(line, "#") {
				continue
			}
			m := outHeadRE.FindStringSubmatch(line)
			if m == nil {
				t.Fatalf("no rule: %s", line)
			}
			for _, o := range ruleOptions(t, m[7]) {
				value := strings.TrimPrefix(o[1], "!")
				switch {
				case !slices.Contains(outKeywords, o[0]):
					t.Errorf("keyword %q: %s", o[0], line)
				case o[0] == "content":
					if contentBytes(t, strings.Trim(value, `"`)) == "" {
						t.Errorf("an empty content: %s", line)
					}
				case o[0] == "pcre":
					parts := strings.Split(strings.Trim(value, `"`), "/")
					if len(parts) != 3 || strings.Trim(parts[2], "is") != "" {
						t.Fatalf("expression %s", value)
					}
					regexp.MustCompile(parts[1])
				case o[0] == "sid":
					n, err := strconv.Atoi(value)
					if err != nil || n < 1000000 || n > 1999999 || sids[value] {
						t.Errorf("sid %s", value)
					}
					sids[value] = true
				}
			}
		}
		if len(sids) < 5 {
			t.Errorf("%d rules", len(sids))
		}
	}
}

// A sid stays when other rules come and go, but for the few whose hash another
// rule has, too.
func TestSIDs(t *testing.T) {
	rs := exporttest.Rules(t)
	all := sidsOf(exported(t, exporttest.New(t, rs))[0].Data)
	alone, moved := 0, 0
	for _, tool := range rs.Tools() {
		e, err := intel.NewExport(rs, intel.Selection{Tools: []string{tool.ID}}, exporttest.Date)
		if err != nil {
			continue // nothing but its website
		}
		for rule, sid := range sidsOf(exported(t, e)[0].Data) {
			alone++
			if all[rule] != sid {
				moved++
			}
		}
	}
	if alone != len(all) || moved > alone/200 {
		t.Errorf("%d rules in all, %d one by one, %d with another sid", len(all), alone, moved)
	}
	const relay = `msg:"RMM AnyDesk relay (DNS)"; dns.query; content:".net.anydesk.com"; nocase; endswith; `
	if sid := all["alert dns any any -> any any ("+relay+"classtype:policy-violation; "]; sid != "1517782" {
		t.Errorf("the sid of AnyDesk's relay is %s: a change of the hash changes all", sid)
	}
}

// sidsOf is the number of each rule by what stands before it.
func sidsOf(data []byte) map[string]string {
	out := make(map[string]string)
	for line := range strings.Lines(string(data)) {
		if rule, rest, ok := strings.Cut(line, "sid:"); ok && strings.HasPrefix(line, "alert ") {
			out[rule], _, _ = strings.Cut(rest, ";")
		}
	}
	return out
}

// Two keys whose first hashes are one number get two.
func TestCollision(t *testing.T) {
	tool := &detect.Tool{ID: "x"}
	in := &detect.Indicator{Tool: tool, ID: "y"}
	rules := []outRule{{in: in, key: "same"}, {in: in, key: "same"}, {in: in, key: "other"}}
	sids := outNumber(rules)
	if sids[0] == sids[1] || outNumber(rules[:1])[0] != sids[0] || outNumber(rules[2:])[0] != sids[2] {
		t.Error(sids)
	}
}

func FuzzQuote(f *testing.F) {
	f.Add("a\";b|c:d\\e!f\x00ü")
	f.Add("||")
	f.Fuzz(func(t *testing.T, s string) {
		if got := contentBytes(t, outQuote(s)); got != s {
			t.Errorf("%q is written %s and read %q", s, outQuote(s), got)
		}
		if m := outMessage(s); strings.ContainsAny(m, `";\:|`) || strings.IndexFunc(m, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
			t.Errorf("message %q", m)
		}
		if _, err := regexp.Compile(outExpression(s)); err != nil {
			t.Error(err)
		}
		for _, o := range ruleOptions(t, strings.TrimSpace(outGlob(s+"x", "nocase; "))) {
			if !slices.Contains(outKeywords, o[0]) {
				t.Errorf("%q becomes option %q", s, o[0])
			}
		}
	})
}

func TestRoundTrip(t *testing.T) {
	rs := exporttest.Rules(t)
	e := exporttest.New(t, rs)
	exporttest.RoundTrip(t, rs, e, exported(t, e), false, Import, intel.Unsupported)
}
