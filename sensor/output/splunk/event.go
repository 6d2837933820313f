package splunk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/output"
)

// event is the envelope of one record. Empty members are left out: the token's
// own settings hold then.
type event struct {
	Time       json.RawMessage `json:"time,omitempty"`
	Host       string          `json:"host,omitempty"`
	Source     string          `json:"source,omitempty"`
	SourceType string          `json:"sourcetype,omitempty"`
	Index      string          `json:"index,omitempty"`
	Event      json.RawMessage `json:"event"`
}

// body is the envelopes of a batch, one after the other: not an array ("Format
// events": "batch ... simply stack").
func (s *Sink) body(batch []output.Message) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	for _, m := range batch {
		e := event{Time: epoch(m.Time), Host: m.Host, Source: s.cfg.Source, SourceType: s.cfg.SourceType, Index: s.cfg.Index, Event: m.Body}
		// Event is a JSON object or a string.
		if trimmed := bytes.TrimSpace(m.Body); len(trimmed) == 0 || trimmed[0] != '{' || !json.Valid(m.Body) {
			text, err := json.Marshal(string(m.Body))
			if err != nil {
				return nil, err
			}
			e.Event = text
		}
		if err := encoder.Encode(e); err != nil {
			return nil, &output.RefusedError{Reason: "the record makes no event: " + err.Error()}
		}
	}
	return b.Bytes(), nil
}

// epoch is a time as HEC reads it: seconds since 1970 with a fraction. Without a
// time, or before 1970, there is none.
func epoch(t time.Time) json.RawMessage {
	if t.IsZero() || t.Unix() < 0 {
		return nil
	}
	return fmt.Appendf(nil, "%d.%06d", t.Unix(), t.Nanosecond()/1000)
}
