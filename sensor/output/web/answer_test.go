package web

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rmmwatch/rmmwatch/sensor/output"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 4, 14, 2, 11, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"0": 0, "7": 7 * time.Second, " 120 ": 2 * time.Minute, "3601": time.Hour, "99999999999999999999": time.Hour, "4294967295": time.Hour,
		"Wed, 04 Mar 2026 14:02:21 GMT": 10 * time.Second, "Wednesday, 04-Mar-26 14:03:11 GMT": time.Minute, "Wed Mar  4 14:02:12 2026": time.Second, // RFC 9110, 5.6.7: three forms
		"Wed, 04 Mar 2026 14:02:01 GMT": 0, "Fri, 31 Dec 9999 23:59:59 GMT": time.Hour,
		"": -1, "-1": -1, "1.5": -1, "soon": -1, "1e3": -1, "+7": -1,
	} {
		got, ok := retryAfter(value, now)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

// The table of the sinks' contract.
func TestErr(t *testing.T) {
	for status := 200; status < 600; status++ {
		for _, after := range []string{"", "5"} {
			a := &Answer{Status: status, after: after, cut: newCutter(nil, nil), receiver: "https://soar.example"}
			err := a.Err()
			var refused *output.RefusedError
			var wait *output.RetryAfterError
			got := "again"
			switch {
			case err == nil:
				got = "ok"
			case errors.Is(err, output.ErrGone):
				got = "gone"
			case errors.As(err, &refused):
				got = "refused"
			case errors.As(err, &wait):
				got = fmt.Sprint("after ", wait.After)
			}
			want := "again"
			switch {
			case status < 300:
				want = "ok"
			case status == 410:
				want = "gone"
			case slices.Contains([]int{400, 413, 415, 422}, status):
				want = "refused"
			case after != "" && (status == 429 || status == 503):
				want = "after 5s"
			}
			if got != want {
				t.Errorf("%d, Retry-After %q: %s, want %s", status, after, got, want)
			}
			if err != nil && !strings.Contains(err.Error(), "https://soar.example") {
				t.Errorf("%v names no receiver", err)
			}
		}
	}
}

// Whatever a receiver gives back, in whatever form, no secret is shown.
func TestNoSecretIsShown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[A-Za-z0-9"\\ /+%&=<>é-]{12,40}`)
		header, password, path, query := word.Draw(t, "header"), word.Draw(t, "password"), word.Draw(t, "path"), word.Draw(t, "query")
		header, password = "h"+strings.TrimSpace(header)+"h", "p"+password
		u := &url.URL{Scheme: "https", Host: "soar.example", User: url.UserPassword("joe-user", password), Path: "/" + path, RawQuery: url.Values{"t": {"q" + query}}.Encode()}
		cut := newCutter([]*url.URL{u}, []string{"Bearer " + header})
		forms := []func(string) string{
			func(s string) string { return s }, url.QueryEscape, url.PathEscape, func(s string) string { return fmt.Sprintf("%q", s) },
			func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		}
		var text strings.Builder
		text.WriteString(strings.Repeat("x", rapid.IntRange(0, 220).Draw(t, "before")))
		for _, s := range []string{header, password, "/" + path, "q" + query, u.String(), u.EscapedPath(), u.RawQuery} {
			text.WriteString(" " + rapid.SampledFrom(forms[:4]).Draw(t, "form")(s))
			text.WriteString(" " + forms[4](header))
		}
		shown := cut.show(text.String(), rapid.IntRange(1, 4000).Draw(t, "limit"))
		// A secret of 14 bytes and more: six of them in a row give it away.
		for _, s := range []string{header, password, u.EscapedPath()[1:], "q" + query, forms[4](header)} {
			for _, f := range []string{s, fmt.Sprintf("%q", s), url.QueryEscape(s)} {
				f = printable(f)
				for i := 0; i+9 <= len(f) && !strings.ContainsAny(f[i:i+9], " x*"); i++ {
					if strings.Contains(shown, f[i:i+9]) {
						t.Fatalf("%q of the secret %q is in %q", f[i:i+9], s, shown)
					}
				}
			}
		}
	})
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"a\r\n\t b\x00c\x1b[31m": `a b\x00c\x1b[31m`, "ü\u202eb\u2028c": `\xc3\xbc\xe2\x80\xaeb c`, "": "", " x ": "x", "\xff": `\xff`,
	} {
		if got := printable(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// OneByOne finds the culprits and is exact about how many went.
func TestOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		outcomes := rapid.SliceOfN(rapid.SampledFrom([]string{"ok", "ok", "refused", "again"}), 1, 8).Draw(t, "outcomes")
		var batch []output.Message
		for i := range outcomes {
			batch = append(batch, output.Message{ID: fmt.Sprint(i)})
		}
		went := map[string]bool{}
		n, err := OneByOne(batch, func(part []output.Message) (int, error) {
			for _, m := range part { // a receiver that takes all or nothing
				var i int
				fmt.Sscan(m.ID, &i)
				switch outcomes[i] {
				case "refused":
					return 0, &output.RefusedError{Reason: "bad"}
				case "again":
					return 0, errors.New("later")
				}
			}
			for _, m := range part {
				went[m.ID] = true
			}
			return len(part), nil
		})
		for i := range n {
			if !went[fmt.Sprint(i)] {
				t.Fatalf("%v: record %d did not go, n is %d", outcomes, i, n)
			}
		}
		if (n < len(batch)) == (err == nil) {
			t.Fatalf("%v: %d, %v", outcomes, n, err)
		}
		var refused *output.RefusedError
		if errors.As(err, &refused) && outcomes[n] != "refused" {
			t.Fatalf("%v: record %d is called refused", outcomes, n)
		}
	})
}
