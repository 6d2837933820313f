package flow_test

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/flow"
	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// The vectors are Corelight's own, for two seeds.
func TestCommunityIDVectors(t *testing.T) {
	dir := testshared.Dir(t, "schemas/community-id")
	for seed, file := range map[uint16]string{0: "baseline_deflt.json", 1: "baseline_seed1.json"} {
		raw, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		var rows []struct {
			Proto        uint8
			Saddr, Daddr string
			Sport, Dport *uint16
			CommunityID  string
		}
		if err := json.Unmarshal(raw, &rows); err != nil {
			t.Fatal(err)
		}
		if len(rows) < 20 {
			t.Fatalf("%s has %d rows", file, len(rows))
		}
		for _, r := range rows {
			var s, d uint16
			if r.Sport != nil && r.Dport != nil {
				s, d = *r.Sport, *r.Dport
			}
			got := flow.CommunityID(seed, r.Proto, netip.MustParseAddr(r.Saddr), netip.MustParseAddr(r.Daddr), s, d, r.Sport != nil)
			if got != r.CommunityID {
				t.Errorf("%s: proto %d %s:%d > %s:%d: got %s, want %s", file, r.Proto, r.Saddr, s, r.Daddr, d, got, r.CommunityID)
			}
		}
	}
}

// Vectors of the specification's README, so that a fresh clone checks them too.
func TestCommunityIDKnown(t *testing.T) {
	a, b := netip.MustParseAddr("128.232.110.120"), netip.MustParseAddr("66.35.250.204")
	const want = "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
	if got := flow.CommunityID(0, 6, a, b, 34855, 80, true); got != want {
		t.Errorf("forward: %s, want %s", got, want)
	}
	if got := flow.CommunityID(0, 6, b, a, 80, 34855, true); got != want {
		t.Errorf("backward: %s, want %s", got, want)
	}
}
