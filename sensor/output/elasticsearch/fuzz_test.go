package elasticsearch

import (
	"encoding/json"
	"errors"
	"testing"
)

// Whatever comes back: no more records are delivered than the answer says, and an
// answer that is whole reads as encoding/json reads it.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"took":1,"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}`, `{"items":[{"create":{"status":400,"error":{"type":"a","reason":"b"}}}]}`,
		`{"items":[{"create":{"status":409}}],"items":[{"create":{"status":201}}]}`, `{"items":[{"create":{"status":201`, `{"items":[{"index":{"status":201}}]}`, `{"items":[{"create":{"status":1e9}}]}`, `[`, `{"items":null}`,
	} {
		f.Add([]byte(seed), 2)
	}
	f.Fuzz(func(t *testing.T, body []byte, n int) {
		n = 1 + n&7
		items, err := parseItems(body)
		got, sent := tally(n, items, func(string, ...any) error { return errors.New("again") })
		if got < 0 || got > n || got > len(items) || (got < n) != (sent != nil) {
			t.Fatalf("%q: %d of %d, %d items, %v", body, got, n, len(items), sent)
		}
		var oracle map[string]json.RawMessage
		var list []json.RawMessage
		if err == nil && json.Unmarshal(body, &oracle) == nil && json.Unmarshal(oracle["items"], &list) == nil && len(list) < got {
			t.Fatalf("%q: %d are delivered, the answer has %d", body, got, len(list))
		}
	})
}
