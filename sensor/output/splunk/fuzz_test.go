package splunk

import (
	"encoding/json"
	"testing"
)

// Whatever comes back: success is only what says so, and a blamed event is one of
// the request.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"text":"Success","code":0}`, `{"text":"Success","code":0,"ackId":7}`, `{"text":"Invalid data format","code":6,"invalid-event-number":3}`,
		`{"code":6,"invalid-event-number":-1}`, `{"code":6,"invalid-event-number":99999999999}`, `{"acks":{"7":true}}`, `{"acks":{"7":false,"8":true}}`, `{"code":null}`, `nul`, `{"code":0}{"code":6}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, ok := parseReply(body); ok {
			var any map[string]any
			if json.Unmarshal(body, &any) != nil || r.Code == nil {
				t.Errorf("%q is taken for an answer", body)
			}
		}
		if done, err := parseAcks(body, 7); done && (err != nil || !json.Valid(body)) {
			t.Errorf("%q is taken for an acknowledgement", body)
		}
	})
}
