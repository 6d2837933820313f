package lookalike

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/publicsuffix"

	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// words are brands of each sort.
var words = strings.Fields("anydesk teamviewer screenconnect splashtop todesk realvnc tight-vnc ninjaone logmein itarian ngrok islonline mobaxterm ultraviewer " +
	"rustdesk connectwise atera getscreen zohoassist tightvnc panorama9")

var ownedDomains = strings.Fields(`anydesk.com teamviewer.com teamviewer.cn screenconnect.com splashtop.com splashtop.eu todesk.com realvnc.com
	ninjaone.com logmein.com logmein.eu itarian.com ngrok.com ngrok-free.app islonline.com islonline.net getscreen.me getscreen.ru zohoassist.com zohoassist.jp`)

func matcher(t testing.TB) *Matcher {
	t.Helper()
	var brands []Brand
	for i, w := range words {
		brands = append(brands, Brand{w, i})
	}
	m, err := New(brands, ownedDomains)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestFind(t *testing.T) {
	m := matcher(t)
	for _, c := range []struct{ name, brand, technique, domain string }{
		{"anydesk.top", "anydesk", "wrong-tld", "anydesk.top"},
		{"WWW.AnyDesk.TOP.", "anydesk", "wrong-tld", "anydesk.top"},
		{"anydesk.co.uk:443", "anydesk", "wrong-tld", "anydesk.co.uk"},
		{"any-desk.com", "anydesk", "wrong-tld", "any-desk.com"},
		{"todesk.ac.cn", "todesk", "wrong-tld", "todesk.ac.cn"},
		{"mysql.splashtop.asia", "splashtop", "wrong-tld", "splashtop.asia"},

		{"anydesk-courseware.com", "anydesk", "joined", "anydesk-courseware.com"},
		{"anydeskupdates.com", "anydesk", "joined", "anydeskupdates.com"},
		{"anydesk2024.com", "anydesk", "joined", "anydesk2024.com"},
		{"wvwteamviewer.top", "teamviewer", "joined", "wvwteamviewer.top"},
		{"www-teamviewer-com.top", "teamviewer", "joined", "www-teamviewer-com.top"},
		{"a.b.todesk-cn.cn", "todesk", "joined", "todesk-cn.cn"},
		{"anydesk-get.pages.dev", "anydesk", "joined", "anydesk-get.pages.dev"},
		{"download-tightvnc.com", "tight-vnc", "joined", "download-tightvnc.com"},

		{"tearnviewer.com", "teamviewer", "confusable", "tearnviewer.com"},
		{"teamvievver.com", "teamviewer", "confusable", "teamvievver.com"},
		{"teamv1ewer.com", "teamviewer", "confusable", "teamv1ewer.com"},
		{"sp1ashtop-download.com", "splashtop", "confusable", "sp1ashtop-download.com"},
		{"xn--nydesk-2nf.com", "anydesk", "confusable", "xn--nydesk-2nf.com"},
		{"\u0430nydesk.com", "anydesk", "confusable", "\u0430nydesk.com"},
		{"anyd\u00e9sk.com", "anydesk", "confusable", "anyd\u00e9sk.com"},
		{"anyde\u0301sk-app.com", "anydesk", "confusable", "anyde\u0301sk-app.com"}, // the mark is a character of its own
		{"serverninjaone.com", "ninjaone", "joined", "serverninjaone.com"},          // no m in it
		{"teamv1ewer.evil.com", "teamviewer", "confusable", "evil.com"},

		{"anydesc.com", "anydesk", "edited", "anydesc.com"},
		{"anydeks.com", "anydesk", "edited", "anydeks.com"},
		{"teamviwer-download.com", "teamviewer", "edited", "teamviwer-download.com"},
		{"teamviewwer24.com", "teamviewer", "edited", "teamviewwer24.com"},
		{"todeskt.com", "todesk", "edited", "todeskt.com"},
		{"ns1.todeski.help", "todesk", "edited", "todeski.help"},
		{"teamvieewer.ddns.net", "teamviewer", "edited", "teamvieewer.ddns.net"},

		{"anydeskxxvvza.top", "anydesk", "inside", "anydeskxxvvza.top"},
		{"aanydeskc.online", "anydesk", "inside", "aanydeskc.online"},

		{"teamviewer.ddns.net", "teamviewer", "label", "teamviewer.ddns.net"},
		{"relay.anydesk.com.evil.top", "anydesk", "label", "evil.top"},
		{"logmein.loginto.me", "logmein", "label", "logmein.loginto.me"},
		{"screenconnect.university.edu", "screenconnect", "label", "university.edu"},
		{"router1-teamviewer.corp.com", "teamviewer", "label", "corp.com"},

		{"anydesk-teamviewer.com", "teamviewer", "joined", "anydesk-teamviewer.com"}, // the longer one
		{"anydesk.teamviewers.com", "teamviewer", "edited", "teamviewers.com"},
	} {
		f, ok := m.Find([]byte(c.name), nil)
		if got := fmt.Sprint(f.Brand.Word, " ", f.Technique, " ", f.Domain); !ok || got != c.brand+" "+c.technique+" "+c.domain {
			t.Errorf("%s: %v %s", c.name, ok, got)
		}
	}
}

// Names that only seem to imitate, and why they do not.
func TestFindNone(t *testing.T) {
	m := matcher(t)
	for name, why := range map[string]string{
		"relay-1.net.anydesk.com": "the vendor's own", "teamviewer.cn": "an alternate of the vendor",
		"autodesk.com": "the brand is short: only whole words", "cryptodesk.io": "as above", "humanitarian.org": "as above",
		"watercolor.com": "no brand", "autodeks.com": "two edits", "panorama.it": "a word without the brand's digit", "todes.com": "short labels are not compared", "visionline.hu": "near to the fold of a brand",
		"autodesk.anyone.com": "as above", "teamviewers.example.org": "below somebody's domain only whole words",
		"teamviewer": "no domain", "teamviewer.local": "not of the public DNS", "anydesk-pc.corp": "as above", "teamviewer.fritz.box.local": "as above",
		"anydesk.contoso": "a suffix of somebody's own", "1.anydesk.in-addr.arpa": "a reverse zone", "192.0.2.1": "an address",
		"anydesk._domainkey.firm.com": "no host has an underscore", "_anydesk-verify.firm.com": "as above",
		"anydesk-update.com.dbl.spamhaus.org": "a list is asked about it", "teamviewer.sc.omtrdc.net": "a customer of a suite",
		"download.teamviewer.com.edgekey.net": "a carrier of the vendor's", "xn--nydesk-!!.com": "no punycode", "any..anydesk.top": "an empty label",
		"ngrok-free.app": "owned, and a public suffix", "ddns.net": "a public suffix", "com": "as above", "": "nothing",
		strings.Repeat("a", 64) + ".anydesk.top": "no label is so long", strings.Repeat("a.", 125) + "anydesk.top": "no name is so long",
	} {
		if f, ok := m.Find([]byte(name), nil); ok {
			t.Errorf("%s (%s): %+v", name, why, f)
		}
	}
	if _, ok := m.Find([]byte("download.anydesk-x.com.edgekey.net"), nil); !ok {
		t.Error("a carrier speaks only for names that are owned")
	}
}

// vectors are names that were used in attacks.
func vectors(t *testing.T) (list []struct {
	Brand, Domain, Technique string
	Intent                   string `json:"brand_intent"`
}) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(testshared.Dir(t, "facts"), "lookalike-vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &list); err != nil || len(list) < 80 {
		t.Fatalf("%d vectors, %v", len(list), err)
	}
	return list
}

// What attackers registered is found, and called what it is called there.
func TestVectors(t *testing.T) {
	m := matcher(t)
	called := map[string][]string{
		"brand + 1-3 extra letters (typo)": {"edited", "inside", "joined"}, "brand + fused keyword": {"joined", "inside", "edited", "label"},
		"brand + hyphenated keyword": {"joined"}, "brand as sub-domain of unrelated domain": {"label", "joined", "inside", "wrong-tld"},
		"brand label, wrong TLD": {"wrong-tld"}, "fake www. fused into the label": {"joined"},
	}
	for _, v := range vectors(t) {
		f, ok := m.Find([]byte(v.Domain), nil)
		switch {
		case v.Brand == "parsec" || v.Brand == "supremo" || v.Brand == "simple-help": // not among the brands here
		case !ok:
			t.Errorf("%s, which imitates %s, is not found", v.Domain, v.Brand)
		case !slices.Contains(called[v.Technique], f.Technique.String()):
			t.Errorf("%s: %s, but it is %s", v.Domain, f.Technique, v.Technique)
		}
	}
}

// names are the benign names.
func names(t testing.TB) (list [][]byte) {
	f, err := os.Open(filepath.Join(testshared.Dir(t, "facts"), "benign-names.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		list = append(list, []byte("www."+s.Text()))
	}
	return list
}

// A name that is none costs no memory, whatever it looks like.
func TestFindAllocates(t *testing.T) {
	m := matcher(t)
	seen := NewSeen()
	list := [][]byte{[]byte("autodesk.com"), []byte("relay.net.anydesk.com"), []byte("xn--mnchen-3ya.de"), []byte("m\u00fcnchen.de"), []byte("teamviewer.printer.local")}
	if n := testing.AllocsPerRun(100, func() {
		for _, name := range list {
			m.Find(name, nil)
			m.Find(name, seen)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What is remembered changes no finding: names whose labels come again in other
// names and at other places, with one memory for two matchers.
func TestSeen(t *testing.T) {
	m := matcher(t)
	other, err := New([]Brand{{"harmlesssoft", 0}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	words := []string{"anydesk", "anydeskk", "harmlesssoft", "harmlessoft", "www", "relay", "evil", "teamviewer", "update", "a", "xn--nydesk-2nf", "printer"}
	tops := []string{"com", "top", "co.uk", "anydesk.com", "ddns.net", "example.org", "local"}
	r := rand.New(rand.NewSource(1))
	seen, hits := NewSeen(), 0
	for range 200_000 {
		labels := []string{}
		for range r.Intn(4) {
			labels = append(labels, words[r.Intn(len(words))])
		}
		name := []byte(strings.Join(append(labels, tops[r.Intn(len(tops))]), "."))
		by := m
		if r.Intn(1000) == 0 {
			by = other
		}
		want, ok := by.Find(name, nil)
		got, also := by.Find(name, seen)
		if ok != also || got != want {
			t.Fatalf("%s: %+v %v, with a memory %+v %v", name, want, ok, got, also)
		}
		if ok {
			hits++
		}
	}
	if hits < 1000 {
		t.Errorf("%d findings: the test does not test", hits)
	}
}

func FuzzFind(f *testing.F) {
	for _, s := range []string{"anydesk.top", "xn--nydesk-2nf.com", "a.b.c.d", "teamviewer.ddns.net:443", "vv.rn-01.com", "\xff\xfe.com", "anydesk-\x00.com"} {
		f.Add([]byte(s))
	}
	m := matcher(f)
	f.Fuzz(func(t *testing.T, name []byte) {
		found, ok := m.Find(name, nil)
		if !ok {
			return
		}
		if low := bytesLower(bytes.Clone(trim(name))); !bytes.HasSuffix(low, []byte(found.Domain)) {
			t.Fatalf("%q: domain %q is not its end", name, found.Domain)
		}
		if s, _ := publicsuffix.PublicSuffix(found.Domain); strings.Count(found.Domain, ".") != strings.Count(s, ".")+1 {
			t.Fatalf("%q: domain %q is not one label below %q", name, found.Domain, s)
		}
	})
}

func bytesLower(b []byte) []byte {
	for i := range b {
		b[i] = lower(b[i])
	}
	return b
}

// BenchmarkFind is a name, of those that people ask for, against 200 brands.
func BenchmarkFind(b *testing.B) {
	var brands []Brand
	for i := range 200 {
		word := words[i%len(words)]
		if i >= len(words) {
			word = fmt.Sprintf("%c%c%s", 'a'+i%26, 'a'+i/26%26, word)
		}
		brands = append(brands, Brand{word, i})
	}
	m, err := New(brands, ownedDomains)
	if err != nil {
		b.Fatal(err)
	}
	list := names(b)
	for name, seen := range map[string]*Seen{"fresh": nil, "seen": NewSeen()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				m.Find(list[i%len(list)], seen)
			}
		})
	}
}
