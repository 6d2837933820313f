package suricata

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strconv"
)

// The range that Snort's and Suricata's allocation leaves to local rules.
const (
	sidFirst = 1_000_000
	sidCount = 1_000_000
)

// outNumber gives each rule its sid: a hash of tool, indicator and what the rule
// looks for, so that it is the same in every version that has the rule,
// whatever comes and goes beside it. Of two with one hash, the one whose key is
// later in the alphabet takes the next hash; only such a rule, about one in
// two hundred, may get another number when the other one comes or goes.
func outNumber(rules []outRule) []uint32 {
	order := make([]int, len(rules))
	keys := make([]string, len(rules))
	for i := range rules {
		order[i] = i
		keys[i] = rules[i].in.Tool.ID + "\x00" + rules[i].in.ID + "\x00" + rules[i].key
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if keys[a] < keys[b] {
			return -1
		} else if keys[a] > keys[b] {
			return 1
		}
		return 0
	})
	sids := make([]uint32, len(rules))
	taken := make(map[uint32]bool)
	for _, i := range order {
		for try := 0; ; try++ {
			sum := sha256.Sum256([]byte(keys[i] + "\x00" + strconv.Itoa(try)))
			sid := sidFirst + binary.BigEndian.Uint32(sum[:])%sidCount
			if !taken[sid] {
				taken[sid], sids[i] = true, sid
				break
			}
		}
	}
	return sids
}
