package detect

// Held is what earlier messages of a flow met of an indicator.
type Held struct {
	matched  Conds
	token    uint32
	hasToken bool
	seen     [maxPayloads]uint8 // how many datagrams matched, by payload
}

// Join puts h together with what earlier messages of the flow met, and
// remembers both in held. Payloads with same count together only while their
// messages have the same four bytes: the latest message decides which.
func (h *Hit) Join(held *Held) {
	in := h.Indicator
	if in.tokens&(h.Matched|h.counted) != 0 {
		if held.hasToken && held.token != h.token {
			held.matched &^= in.tokens
			for i := range held.seen {
				if in.tokens&(condPayload<<i) != 0 {
					held.seen[i] = 0
				}
			}
		}
		held.token, held.hasToken = h.token, true
	}
	for i := range in.Payload {
		cond := condPayload << i
		if h.counted&cond == 0 {
			continue
		}
		held.seen[i] = min(held.seen[i]+1, maxCount)
		if held.seen[i] >= in.Payload[i].Count {
			h.Matched |= cond
		}
	}
	h.Matched |= held.matched
	held.matched = h.Matched
}
