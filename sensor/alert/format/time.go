package format

import "time"

// Time is a packet time. In a template it prints as RFC 3339 in UTC; the
// function time writes any other layout.
type Time struct{ ns int64 } // since the Unix epoch

// String returns 2026-03-04T14:02:11.123456Z.
func (t Time) String() string { return t.utc().Format("2006-01-02T15:04:05.000000Z07:00") }

// Unix returns seconds since the epoch.
func (t Time) Unix() int64 { return t.utc().Unix() }

// UnixMilli returns milliseconds since the epoch.
func (t Time) UnixMilli() int64 { return t.utc().UnixMilli() }

// MarshalText is String for encoding/json.
func (t Time) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

func (t Time) utc() time.Time { return time.Unix(0, t.ns).UTC() }
