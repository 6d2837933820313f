package detect

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/net/publicsuffix"

	"github.com/rmmwatch/rmmwatch/sensor/lookalike"
)

// gate refuses what is well formed but must not watch a network: indicators
// that nobody tested, that match everybody, or that claim more than they know.
// Of a file with mistakes it judges what could be understood, so that all is
// reported at once.
func (r *fileReader) gate(t *Tool) {
	for _, in := range t.Indicators {
		if !in.broken {
			r.gateIndicator(in)
		}
		for _, ps := range [][]pattern{in.domains, in.san, in.host} {
			for i := range ps {
				r.gatePattern(t, &ps[i])
			}
		}
		if in.ID != "" && r.hits != nil && !r.hits[in.ID] && !r.hits[""] {
			r.failAt(in.at, "add {..., indicator: "+in.ID+"} under tests: match", "no test hits indicator %s", quote(in.ID))
		}
	}
	for _, tests := range [][]ruleTest{t.match, t.noMatch} {
		for _, c := range tests {
			r.gateTest(t, &c)
		}
	}
}

func (r *fileReader) gateTest(t *Tool, c *ruleTest) {
	if c.indicator == "" || r.idsUnsure || len(t.Indicators) == 0 || slices.ContainsFunc(t.Indicators, func(in *Indicator) bool { return in.ID == c.indicator }) {
		return
	}
	if r.full() {
		r.silent++
		return
	}
	ids := make([]string, len(t.Indicators))
	for i, in := range t.Indicators {
		ids[i] = in.ID
	}
	r.failAt(c.at, r.didYouMean(c.indicator, ids), "the test names indicator %s, which is not in this file", quote(c.indicator))
}

// weakness is the conditions of in that much ordinary traffic meets.
func weakness(in *Indicator) Conds {
	weak := CondPort | CondASN | CondNoSNI
	if slices.ContainsFunc(in.HTTP.Method, func(m string) bool { return slices.Contains(commonMethods, m) }) {
		weak |= CondMethod
	}
	if slices.ContainsFunc(in.TLS.ALPN, isCommonALPN) {
		weak |= CondALPN
	}
	return weak
}

var commonMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"}

func isCommonALPN(s string) bool { return s == "h2" || s == "h3" || strings.HasPrefix(s, "http/") }

func (r *fileReader) gateIndicator(in *Indicator) {
	switch {
	case in.Need == 0:
		r.failAt(in.at, "expected domain, payload, port, tls, http, ip or asn", "indicator %s matches nothing", quote(in.ID))
	case in.Need&^CondPort == 0:
		r.gatePort(in)
	case in.Need&^(CondPort|CondASN) == 0:
		r.gateASN(in)
	case in.Need&^weakness(in) == 0:
		r.failAt(in.at, "add what tells the tool apart", "indicator %s matches ordinary traffic (%s)", quote(in.ID), in.Need)
	}
	if in.Role == "" && in.Need&^(CondPort|condsPayload) != 0 {
		r.failAt(in.at, "expected one of "+strings.Join(Roles, ", "), "indicator %s has no role", quote(in.ID))
	}
	for _, s := range in.Source {
		if strings.HasPrefix(s, "RECALL") && in.Confidence != Low {
			r.failAt(in.at, "set confidence: low until somebody has seen it",
				"indicator %s rests on memory (source %s) but has confidence %s", quote(in.ID), quote(s), in.Confidence)
			break
		}
	}
}

// gatePort: a port alone says little, and a port of everybody nothing.
func (r *fileReader) gatePort(in *Indicator) {
	if in.Confidence != Low {
		r.failAt(in.at, "set confidence: low, or add another matcher", "indicator %s has only a port but confidence %s", quote(in.ID), in.Confidence)
	}
	for _, p := range in.Port {
		for _, common := range []uint16{53, 80, 443} {
			if p.Lo <= common && common <= p.Hi {
				r.failAt(in.at, "add another matcher", "indicator %s has only a port, and %s is everybody's", quote(in.ID), p)
				return
			}
		}
	}
}

// gatePattern refuses patterns over names that belong to many, and names with
// the tool's brand that are not the vendor's.
func (r *fileReader) gatePattern(t *Tool, p *pattern) {
	owned := r.ownedUnsure || slices.ContainsFunc(t.Owned, func(o string) bool { return below(p.literal, o) })
	if what := sharedBy(p); what == "public suffix" || what != "" && !owned {
		hint := "name a host below it"
		if what != "public suffix" {
			hint += ", or add it to owned if the vendor runs all of it"
		}
		r.failAt(p.at, hint, "%s is over a %s: it would match strangers", quote(p.text), what)
		return
	}
	for _, b := range t.Brands {
		if strings.Contains(p.text, b) && !owned {
			r.failAt(p.at, "add the domain to owned if the vendor runs it",
				"%s has the brand %s but is not below an owned domain: it would call an imitation the vendor's own", quote(p.text), quote(b))
			return
		}
	}
}

// below reports whether name is domain or a name under it.
func below(name, domain string) bool {
	return name == domain || strings.HasSuffix(name, "."+domain)
}

// sharedBy returns what many owners share the names that p matches, or "".
func sharedBy(p *pattern) string {
	fixed := p.literal
	suffix, icann := publicsuffix.PublicSuffix(fixed)
	if suffix == fixed {
		if icann || !strings.Contains(fixed, ".") {
			return "public suffix"
		}
		return "shared host"
	}
	if slices.Contains(sharedHosts, fixed) {
		return "shared host"
	}
	if p.exact() {
		return ""
	}
	// Some suffixes are only said by what stands below them (*.ck).
	if suffix, icann := publicsuffix.PublicSuffix("x." + fixed); suffix == "x."+fixed {
		if icann {
			return "public suffix"
		}
		return "shared host"
	}
	for _, h := range deepShared {
		if below(fixed, h) {
			return "shared host"
		}
	}
	return ""
}

// ownedDomains reads the vendor's domains: plain names, no public suffixes.
func (r *fileReader) ownedDomains(n *yaml.Node) (out []string) {
	for _, p := range r.patterns(n, "owned") {
		suffix, icann := publicsuffix.PublicSuffix(p.literal)
		switch {
		case !p.exact():
			r.failAt(p.at, "write the domain alone; names below it are meant", "owned %s has a wildcard", quote(p.text))
		case suffix == p.literal && (icann || !strings.Contains(suffix, ".")):
			r.failAt(p.at, "", "owned %s is a public suffix: nobody owns it", quote(p.text))
		default:
			out = append(out, p.text)
		}
	}
	return out
}

// brands reads words that imitations use, and refuses those that honest names
// have too.
func (r *fileReader) brands(n *yaml.Node) (out []string) {
	for _, v := range r.sequence(n, "brands", "["+clip(n.Value)+"]") {
		s := r.shaped(v, "brands", brandRE, "expected a word as it stands in a domain name: lower-case letters, digits, hyphens")
		if s == "" {
			continue
		}
		if problem, hint := lookalike.Check(s); problem != "" {
			r.fail(v, hint, "brand %s %s", quote(s), problem)
			continue
		}
		out = append(out, s)
	}
	return out
}

// sharedHosts are hosts where anybody gets a name, beside those in the public
// suffix list.
var sharedHosts = []string{
	"akamai.net", "akamaiedge.net", "akamaihd.net", "akamaized.net", "amazonaws.com", "appspot.com", "azure.com",
	"azureedge.net", "azurefd.net", "azurewebsites.net", "b-cdn.net", "blob.core.windows.net", "cloudapp.azure.com",
	"cloudapp.net", "cloudflare.com", "cloudflare.net", "cloudfront.net", "core.windows.net", "digitaloceanspaces.com",
	"discordapp.com", "dropbox.com", "dropboxusercontent.com", "duckdns.org", "dyndns.org", "edgecastcdn.net",
	"edgekey.net", "edgesuite.net", "fastly.net", "firebaseapp.com", "fly.dev", "github.com", "github.io",
	"githubusercontent.com", "gitlab.io", "google.com", "googleapis.com", "googleusercontent.com", "gstatic.com",
	"herokuapp.com", "hwcdn.net", "internapcdn.net", "jsdelivr.net", "llnwd.net", "microsoft.com", "microsoftonline.com",
	"mooo.com", "netlify.app", "no-ip.org", "office.com", "office365.com", "onrender.com", "oraclecloud.com", "pages.dev",
	"r2.dev", "run.app", "sentry.io", "sharepoint.com", "softonic.com", "sourceforge.net", "stackpathcdn.com",
	"trafficmanager.net", "unpkg.com", "vercel.app", "web.app", "windows.net", "windowsupdate.com", "workers.dev", "zendesk.com",
}

// deepShared are hosts whose subdomains are themselves shared by many
// (s3.eu-west-1.amazonaws.com): only whole names below them mean somebody.
var deepShared = []string{"amazonaws.com", "azure.com", "core.windows.net", "googleapis.com", "oraclecloud.com"}
