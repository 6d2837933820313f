package blindspots

import (
	"fmt"
	"strings"
)

// Share is how many of some could not be seen.
type Share struct{ Hidden, Of uint64 }

// Percent is the share in whole percent, rounded up: 0 means none.
func (s Share) Percent() int {
	if s.Hidden == 0 || s.Of == 0 {
		return 0
	}
	return int((min(s.Hidden, s.Of)*100 + s.Of - 1) / s.Of)
}

// View is what could not be seen of a host, or of all.
type View struct {
	ECH      Share // handshakes that hid the server's name
	DNS      Share // lookups over encrypted DNS: a flow of it counts as one, whatever it asked
	QUIC     Share // QUIC flows that could not be read
	OneSided Share // TCP flows captured in one direction
	Gaps     Share // flows with a handshake that is not whole
	Lost     Share // frames that the capture lost, of all hosts
}

func (t *Table) view(h *host) View {
	share := func(hidden, of Kind) Share {
		part, whole := uint64(h.counts[hidden]), uint64(h.counts[of])
		return Share{part, max(part, whole)} // halving rounds each by itself
	}
	return View{
		ECH: share(HiddenHello, Hello), DNS: share(HiddenLookup, Lookup), QUIC: share(UnreadQUIC, QUIC),
		OneSided: share(OneSided, Flow), Gaps: share(Gap, Flow), Lost: Share{t.lost, t.captured + t.lost},
	}
}

// What is said of a host: less than this happens to everybody, and says nothing
// about what was found.
const (
	leastHidden  = 3
	leastPercent = 10
	leastLost    = 1 // percent of frames
)

// Weakens says what of this weakens what is known of the host, as clauses for a
// sentence; none where it was seen well. An alert shows them, and so does the
// summary of a host without alerts.
func (v View) Weakens() (out []string) {
	say := func(s Share, least uint64, percent int, format string) {
		if s.Hidden >= least && s.Percent() >= percent {
			out = append(out, strings.NewReplacer("%p", fmt.Sprintf("%d %%", s.Percent()), "%n", fmt.Sprint(s.Hidden), "%o", fmt.Sprint(s.Of)).Replace(format))
		}
	}
	say(v.ECH, leastHidden, leastPercent, "%n of %o TLS handshakes hid the server's name (ECH)")
	say(v.DNS, 1, leastPercent, "names are looked up over encrypted DNS (%p of lookups)")
	say(v.QUIC, leastHidden, leastPercent, "%n of %o QUIC flows could not be read")
	say(v.OneSided, leastHidden, leastPercent, "%n of %o flows were captured in one direction only")
	say(v.Gaps, leastHidden, leastPercent, "%n of %o flows have a handshake with gaps")
	say(v.Lost, 1, leastLost, "the capture lost %p of the packets")
	return out
}
