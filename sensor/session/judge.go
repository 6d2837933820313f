package session

import "math/bits"

// What a window must have to be a person's doing. A person acts at irregular
// times, mostly after a look at what came of the last thing, and what is driven
// answers with more than it was told.
const (
	// minInputs slots of 64. Timers that fire less often than five times in 6.4 s in
	// all, as heartbeats do, never reach it, however irregular they are together.
	minInputs = 5
	// minFresh of the inputs break a silence: nobody sent anything in their slot, or the two
	// before. An acknowledgement, or a request for the next part, follows on what it answers.
	minFresh = 1
	// maxInput bytes: keys, wheel and a mouse of 100 reports a second of 100 bytes. What
	// is more is a file, a clipboard or a screen.
	maxInput = uint32(10_000 * Window / 1e9)
	// irregular is by how much the time between inputs differs from one to the
	// next, against its mean: some 1 for events at random, 0.1 for a timer that the
	// network delays by a tenth.
	irregular = 0.15
)

// judge reports whether somebody worked in a window, and whether the client's
// bytes were the input.
func judge(c *Config, busy [2]uint64, bytes [2]uint32, fresh uint8) (up, driven bool) {
	if bytes[0] == 0 || bytes[1] == 0 {
		return false, false
	}
	// The input is the side that sent less. A terminal may give each key back as it came:
	// then it is the client's.
	in := 0
	if bytes[1] < bytes[0] {
		in = 1
	}
	out := 1 - in
	if bytes[in] > maxInput || uint64(bytes[out])*1e9 < uint64(c.Rate)*uint64(Window) {
		return false, false
	}
	return in == 0, byHand(busy[in], busy[out], fresh>>(4*in)&15)
}

// byHand reports whether a, the slots in which one side sent little, look like
// input to the other side, which sent in the slots b. fresh is how often the
// input broke a silence.
func byHand(a, b uint64, fresh uint8) bool {
	switch n := bits.OnesCount64(a); {
	case n < minInputs, n == slots:
		return false
	case fresh >= minFresh:
		return scattered(a)
	}
	return overStream(a, b)
}

// scattered reports whether runs of slots begin as no timer lets them. The time between two
// of a timer's is the same but for the network's jitter, and a slot more or less for where
// its tick falls. Dense typing is steadier: there the spread tells.
func scattered(a uint64) bool {
	starts := a &^ (a << 1)
	n := bits.OnesCount64(starts)
	sum, diff, last, least, most := 0, 0, 0, slots, 0
	prev := bits.TrailingZeros64(starts)
	for rest := starts & (starts - 1); rest != 0; rest &= rest - 1 {
		at := bits.TrailingZeros64(rest)
		gap := at - prev
		if last != 0 {
			diff += max(0, max(gap-last, last-gap)-1)
		}
		least, most = min(least, gap), max(most, gap)
		sum, last, prev = sum+gap, gap, at
	}
	return float64(diff) > irregular*float64(sum) || n >= 10 && 2*most >= 3*least+4
}

// overStream reports whether input stands out while the other side never
// pauses, as some tools' screens do: hand on the mouse for a third of a second
// somewhere, and off it for a second somewhere. Acknowledgements of a stream
// come as steadily as the stream, or one by one.
func overStream(a, b uint64) bool {
	if bits.OnesCount64(b) < slots-6 {
		return false
	}
	held := a & (a << 1) & (a << 2)
	return held != 0 && longestZeros(a) >= 10
}

// longestZeros is the length of the longest run of zeros.
func longestZeros(a uint64) (n int) {
	for x := ^a; x != 0; x &= x << 1 {
		n++
	}
	return n
}
