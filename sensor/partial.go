package sensor

import "github.com/rmmwatch/rmmwatch/sensor/detect"

// maxPartial bounds the hits that wait for another message of their flow. What
// is complete in one message, as nearly all indicators are, never waits.
const maxPartial = 4096

type partialKey struct {
	flow      uint64
	indicator *detect.Indicator
}

// partials merges hits whose conditions hold in different messages of one
// flow: bytes of both directions, several datagrams, an ALPN and then a
// certificate.
type partials struct {
	held  map[partialKey]detect.Held
	order []partialKey // a ring, oldest at next
	next  int
}

// complete books what h matched and reports whether its indicator now has all
// that it needs. The flow's oldest waiting hit gives way when there are too
// many.
func (p *partials) complete(flow uint64, h *detect.Hit) bool {
	if p.held == nil {
		p.held = make(map[partialKey]detect.Held, maxPartial)
	}
	k := partialKey{flow, h.Indicator}
	held, waiting := p.held[k]
	h.Join(&held)
	if h.Complete() {
		return true
	}
	p.held[k] = held
	if waiting {
		return false
	}
	if len(p.order) < maxPartial {
		p.order = append(p.order, k)
		return false
	}
	delete(p.held, p.order[p.next])
	p.order[p.next] = k
	p.next = (p.next + 1) % maxPartial
	return false
}
