package splunk

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/output/web"
)

// reply is what HEC says to events.
type reply struct {
	Text    string  `json:"text"`
	Code    *int    `json:"code"`
	Invalid *int    `json:"invalid-event-number"` // of the first event that is wrong, from 0
	AckID   *uint64 `json:"ackId"`
}

// parseReply reads an answer's body; ok is false for what HEC would not say.
func parseReply(body []byte) (r reply, ok bool) {
	err := json.Unmarshal(body, &r)
	return r, err == nil && r.Code != nil
}

// Codes that blame an event: no data, invalid data format, event field required,
// event field blank, error in indexed fields.
var blames = []int{5, 6, 12, 13, 15}

// Codes that blame how this output or the collector is configured, although
// their status is 400: incorrect index, data channel missing, invalid data
// channel, acknowledgement disabled, query string authorization. An operator can
// mend that, and then nothing is lost.
var mendable = []int{7, 10, 11, 14, 16}

// culprit is an event that HEC blames, and its number in the request, or -1.
type culprit struct {
	n   int
	err *output.RefusedError
}

func (c *culprit) Error() string { return c.err.Error() }
func (c *culprit) Unwrap() error { return c.err }

// judge says what an answer to a request of n events means. The error is nil, a
// *culprit, or as web.Answer.Err has it.
func judge(a *web.Answer, n int) (reply, error) {
	r, ok := parseReply(a.Body)
	switch {
	case !ok && a.OK():
		return r, a.Errorf("this is no answer of an HTTP Event Collector")
	case !ok:
		return r, a.Err()
	case a.OK() && *r.Code == 0:
		return r, nil
	case slices.Contains(blames, *r.Code):
		c := &culprit{n: -1, err: &output.RefusedError{Reason: a.Errorf("code %d", *r.Code).Error()}}
		if r.Invalid != nil && *r.Invalid >= 0 && *r.Invalid < n {
			c.n = *r.Invalid
		}
		return r, c
	case a.OK(), slices.Contains(mendable, *r.Code):
		return r, a.Errorf("code %d", *r.Code)
	}
	return r, a.Err()
}

// parseAcks reads whether id is acknowledged.
func parseAcks(body []byte, id uint64) (bool, error) {
	var r struct {
		Acks map[string]bool `json:"acks"`
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return false, errors.New("no JSON with acks")
	}
	done, known := r.Acks[strconv.FormatUint(id, 10)]
	if !known {
		return false, fmt.Errorf("acknowledgement %d is not in the answer", id)
	}
	return done, nil
}
