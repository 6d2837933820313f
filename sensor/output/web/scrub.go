package web

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

const (
	// shortest is the length below which a credential is not looked for: it would
	// be found everywhere. In bytes.
	shortest = 4
	// shortestPart is the same for a part of a path: "hooks" is no secret, the
	// shortest part of Slack's URLs has nine.
	shortestPart = 8
	// maxShown bounds what of a foreign text is shown, in bytes.
	maxShown = 200
)

// cutter cuts secrets out of text that came from somewhere else.
type cutter struct{ replace *strings.Replacer }

// newCutter knows the secrets in the forms in which others could give them back:
// as they are, and as JSON, URLs and basic authentication write them.
func newCutter(urls []*url.URL, secrets []string) cutter {
	var all []string
	add := func(s string, least int) {
		if len(s) < least {
			return
		}
		quoted, _ := json.Marshal(s)
		all = append(all, s, string(quoted[1:len(quoted)-1]), fmt.Sprintf("%q", s)[1:len(fmt.Sprintf("%q", s))-1],
			url.QueryEscape(s), url.PathEscape(s), base64.StdEncoding.EncodeToString([]byte(s)))
	}
	for _, s := range secrets {
		add(s, shortest)
		if _, credential, ok := strings.Cut(s, " "); ok { // "Bearer abc": the scheme is no secret, abc by itself is one
			add(credential, shortest)
		}
	}
	for _, u := range urls {
		if u == nil {
			continue
		}
		if u.User != nil {
			password, _ := u.User.Password()
			add(u.User.String(), shortest)
			add(u.User.Username(), shortest)
			add(password, shortest)
			add(strings.TrimPrefix(basic(u.User), "Basic "), shortest)
		}
		add(u.Path, shortest)
		add(u.EscapedPath(), shortest)
		add(u.RawQuery, shortest)
		add(u.Fragment, shortest)
		for part := range strings.SplitSeq(u.Path, "/") {
			add(part, shortestPart)
		}
		for _, values := range u.Query() {
			for _, v := range values {
				add(v, shortest)
			}
		}
	}
	// A secret that holds another must be found first.
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, s := range all {
		pairs = append(pairs, s, "***")
	}
	return cutter{strings.NewReplacer(pairs...)}
}

// show is text as it may stand in a log: without secrets, printable, short.
func (c cutter) show(text string, limit int) string {
	// The secrets go first: the cut must not leave the half of one.
	return shorten(printable(c.replace.Replace(text)), limit)
}

// printable is text with its white space made one space, and \xNN for what is not
// printable ASCII.
func printable(text string) string {
	var b strings.Builder
	for i, word := range strings.Fields(text) {
		if i > 0 {
			b.WriteByte(' ')
		}
		for _, c := range []byte(word) {
			if c < ' ' || c > '~' {
				fmt.Fprintf(&b, `\x%02x`, c)
			} else {
				b.WriteByte(c)
			}
		}
	}
	return b.String()
}

func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return text[:limit] + "..."
}
