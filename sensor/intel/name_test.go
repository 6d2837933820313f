package intel

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

func TestName(t *testing.T) {
	for _, c := range []struct {
		in, want string
		reason   Reason
		detail   string
	}{
		{"relay.alpha.com", "relay.alpha.com", "", ""},
		{" Relay.Alpha.COM. ", "relay.alpha.com", "", ""},
		{"GetScreen.me", "getscreen.me", "", ""},
		{"*.alpha.com", "*.alpha.com", "", ""},
		{".alpha.com", "alpha.com *.alpha.com", "", ""},
		{"*alpha.com", "alpha.com *.alpha.com", "", ""},
		{"*-relay.alpha.com", "*-relay.alpha.com", "", ""},
		{"rescue-list.*.logmein-gateway.com", "rescue-list.*.logmein-gateway.com", "", ""},
		{"relay[.]alpha[.]com", "relay.alpha.com", "", ""},
		{"relay.alpha.com:8443", "relay.alpha.com", "", ""},
		{"{tenant}.alpha.com", "{tenant}.alpha.com", "", ""},
		{"b\u00fccher.de", "xn--bcher-kva.de", "", ""},
		{"user_managed", "", Junk, "a placeholder"},
		{"<operator server>", "", Junk, "a placeholder"},
		{"insight", "", Junk, "one word"},
		{"*.local", "", Junk, "nothing public ends in .local"},
		{"relay-[a-f0-9]{8}.net.anydesk.com:443", "", Syntax, "a regular expression with a port"},
		{"relay-[a-f0-9]{8}.net.anydesk.com", "", Syntax, "a regular expression where"},
		{"*.-dms.zoho.com.cn", "", Syntax, "begins or ends with a hyphen"},
		{"*rescue-data-cetner*", "", Syntax, "open on the right"},
		{"https://todesk.com/download", "", Syntax, "the address of a page"},
		{"a..zoho.com", "", Syntax, "two dots"},
		{"192.0.2.1", "", Syntax, "an address"},
		{"192.0.2.0/33", "", Syntax, "neither a network nor a name"},
		{"\x1b[31malpha.com", "", Syntax, "holds control characters"},
	} {
		got, _, reason, detail := Name(c.in)
		if strings.Join(got, " ") != c.want || reason != c.reason || !strings.Contains(detail, c.detail) {
			t.Errorf("%q: %q, %s: %s", c.in, got, reason, detail)
		}
	}
}

// A list says endswith without a dot, or with a wildcard in it.
func TestSuffix(t *testing.T) {
	if got, note, _, _ := Suffix("ammyy.com"); strings.Join(got, " ") != "ammyy.com *.ammyy.com" || note != "bounded at labels" {
		t.Error(got, note)
	}
	if got, _, _, _ := Suffix(".ammyy.com"); strings.Join(got, " ") != "*.ammyy.com" {
		t.Error(got)
	}
	if _, _, reason, detail := Suffix("*.ezhelp.co.kr"); reason != Syntax || !strings.Contains(detail, "inside endswith") {
		t.Error(reason, detail)
	}
}

// Every name that a regular expression matches is met by one of the patterns:
// they may say more, never less.
func TestRegexp(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{`^relay-[a-f0-9]{8}\.net\.anydesk\.com$`, "relay-????????.net.anydesk.com"},
		{`^instance-[^.]+-relay\.screenconnect\.com$`, "instance-?*-relay.screenconnect.com"},
		{`(?i)^(?:eu|us)\.alpha\.com$`, "eu.alpha.com us.alpha.com"},
		{`^(?:[^.]+\.)+alpha\.com$`, "*.alpha.com"},
		{`^(.+\.)?alpha\.com$`, "alpha.com *.alpha.com"},
		{`.*\.alpha\.com$`, "*.alpha.com"},
		{`\.alpha\.com$`, "*.alpha.com"},
		{`alpha\.com$`, "alpha.com *.alpha.com"},
		{`^a.alpha.com$`, "a.alpha.com"},
		{`alpha`, ""},
		{`^alpha\.[a-z]+`, ""},
		{`^[^/]+\.alpha\.com$`, ""},
		{`^(a|b)*\.alpha\.com$`, "?*.alpha.com"},
		{`(`, ""},
		{`$`, ""}, // found by fuzzing: it became an empty pattern
		{strings.Repeat("(", 2000) + "a" + strings.Repeat(")", 2000), ""},
		{`^(ab|cd|ef|gh)(ab|cd|ef|gh)(ab|cd|ef|gh)(ab|cd|ef|gh)\.com$`, ""},
	} {
		got, err := Regexp(c.expr)
		if strings.Join(got, " ") != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v", c.expr, got, err)
		}
	}
}

func FuzzRegexp(f *testing.F) {
	f.Add(`^relay-[a-f0-9]{8}\.net\.anydesk\.com$`, "relay-1234abcd.net.anydesk.com")
	f.Add(`(?i)^(?:[^.]+\.)*Alpha\.com$`, "x.y.alpha.com")
	f.Add(`(a|ab)\.alpha\.com$`, "ab.alpha.com")
	f.Fuzz(func(t *testing.T, expr, name string) {
		if len(expr) > 200 || len(name) > 100 {
			return
		}
		patterns, err := Regexp(expr)
		if err != nil {
			return
		}
		re := regexp.MustCompile("(?i)" + expr)
		labels := strings.Split(name, ".")
		if !re.MatchString(name) || slices.Contains(labels, "") || !plainRE.MatchString(name) || strings.Contains(expr, "(?") {
			return
		}
		for _, p := range patterns {
			if likeName(p, name) {
				return
			}
		}
		// A dot without a backslash is read as a dot: narrower, on purpose.
		if strings.Contains(strings.NewReplacer(`\.`, "", `.*`, "", `.+`, "", `[^.]`, "").Replace(expr), ".") {
			return
		}
		t.Errorf("%q matches %s, but none of %q does", name, expr, patterns)
	})
}

// likeName is a second opinion on what a pattern means, by a regular expression.
func likeName(pattern, name string) bool {
	s := strings.NewReplacer(".", `\.`, "*", "[^.]*", "?", "[^.]").Replace(strings.TrimPrefix(pattern, "*."))
	if strings.HasPrefix(pattern, "*.") {
		s = `([^.]+\.)+` + s
	}
	re, err := regexp.Compile("(?i)^" + s + "$")
	return err == nil && re.MatchString(name)
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"relay.alpha.com", "*.alpha.co.uk", "a..b", "*x*", "{tenant}.a.com", "\xff", "[.]", ":1", ".", "xn--a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		patterns, _, reason, detail := Name(s)
		if (reason == "") != (len(patterns) > 0) || reason != "" && detail == "" {
			t.Fatalf("%q: %q %s %q", s, patterns, reason, detail)
		}
		if strings.IndexFunc(detail, func(r rune) bool { return r < ' ' }) >= 0 {
			t.Fatalf("%q: %q", s, detail)
		}
		// Whatever it is, Build has an outcome for it.
		e := Entry{Text: s, File: "x", Line: 1}.AsHost(s)
		p, err := Build([]Entry{e}, Options{Format: "list", Confidence: detect.Low})
		if err != nil || len(p.Rows) != 1 || p.Rows[0].Outcome == "" {
			t.Fatal(p, err)
		}
	})
}

// What is known to be wrong is found, and nothing of the tools' own.
func TestKnown(t *testing.T) {
	for _, c := range []struct {
		tool, pattern string
		want          Reason
	}{
		{"level", "downloads.io", Junk}, {"fleetdeck", "checkip.zmazonaws.com", Junk}, {"desktop-central", "desktopcentral.manageengine.com.eu", Junk},
		{"alpemix", "alpermix.com", Junk}, {"ultraviewer", "*.ultraviewer.com", Junk},
		{"tactical-rmm", "login.tailscale.com", WrongOwner}, {"tailscale", "login.tailscale.com", ""},
		{"laplink", "atled.syspectr.com", WrongOwner}, {"barracuda", "*.islonline.net", WrongOwner}, {"isl-online", "*.islonline.net", ""},
		{"fleetdeck", "fleetdm.com", WrongOwner}, {"barracuda", "content.ivanti.com", WrongOwner}, {"anyplace-control", "support.kastentornado.fi", WrongOwner},
		{"todesk", "todesktop.com", WrongOwner}, {"basecamp", "basecamp.com", WrongOwner}, {"rms", "id71.remoteutilities.com", WrongOwner},
		{"somerat", "rl.ammyy.com", WrongOwner}, {"somerat", "demo.tacticalrmm.com", WrongOwner},
		{"netbird", "my-sharepoint-inc.com", Attacker}, {"netbird", "googl-6c11f.web.app", Attacker}, {"simplehelp", "dronemaker.org", Attacker},
		{"nezha", "c.mid.al", Attacker}, {"nezha", "rism.pages.dev", Attacker}, {"lunixar", "mymeetinggoogle.com", Attacker},
		{"glpi", "raw.githubusercontent.com", Shared}, {"glpi", "objects.githubusercontent.com", Shared}, {"zoho", "*.zoho.eu", Shared},
		{"fleetdeck", "cognito-idp.us-west-2.amazonaws.com", Shared}, {"x", "s3.amazonaws.com", Shared}, {"x", "mybucket.s3.eu-west-1.amazonaws.com", ""},
		{"weezo", "weezo.en.softonic.com", Shared}, {"helpbeam", "helpbeam.software.informer.com", Shared}, {"nateon", "*.nate.com", Shared},
		{"datto", "*.datto.com", Shared}, {"jumpcloud", "*.jumpcloud.com", Shared}, {"x", "*.oray.com", Shared}, {"x", "*.electric.ai", Shared},
		{"x", "*.vnc.com", Shared}, {"screenconnect", "*.connectwise.com", Shared}, {"screenconnect", "control.connectwise.com", ""},
		{"chrome", "instantmessaging-pa.googleapis.com", Shared}, {"dattormm", "*.rmm.datto.com", ""},
	} {
		if got, detail := judge(c.tool, c.pattern); got != c.want || (got != "") != (detail != "") {
			t.Errorf("%s in %s: %q %s", c.pattern, c.tool, got, detail)
		}
	}
}
