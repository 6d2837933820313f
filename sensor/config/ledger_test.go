package config

import (
	"strings"
	"testing"
)

func TestLedger(t *testing.T) {
	c, err := Parse("c.yaml", []byte("ledger: {retention: 90d, max_mib: 8, second_within: 7d, dormant_after: 45d}\n"))
	if err != nil || c.Ledger != (Ledger{Retention: 90 * dayLong, MaxMiB: 8, SecondWithin: 7 * dayLong, DormantAfter: 45 * dayLong}) {
		t.Errorf("%v, %+v", err, c.Ledger)
	}
	if c, err = Parse("c.yaml", []byte("ledger: {max_mib: 8}\n")); err != nil || c.Ledger.Retention != 400*dayLong || c.Ledger.MaxMiB != 8 {
		t.Errorf("%v, %+v", err, c.Ledger)
	}
	for raw, want := range map[string]string{
		"ledger: {retention: 90}":                      `c.yaml:1:21: "90" is not a number of days such as 30d`,
		"ledger: {retention: 0d}":                      "c.yaml:1:21: 0d is outside 1d to 3650d",
		"ledger: {retention: 720h}":                    `c.yaml:1:21: "720h" is not a number of days`,
		"ledger: {retention: -1d}":                     `c.yaml:1:21: "-1d" is not a number of days`,
		"ledger: {retention: ''}":                      "c.yaml:1:21: want a text",
		"ledger: {max_mib: 0}":                         "c.yaml:1:19: 0 is outside 1 to 1024",
		"ledger: {retention: 60d}":                     "c.yaml:1:9: dormant_after is 60d and retention 60d",
		"ledger: {dormant_after: 90d, retention: 80d}": "c.yaml:1:25: dormant_after is 90d and retention 80d",
		"ledger: {second: 3d}":                         `unknown key "second" in ledger; known are dormant_after, max_mib, retention, second_within`,
	} {
		if _, err := Parse("c.yaml", []byte(raw)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", raw, err, want)
		}
	}
}
