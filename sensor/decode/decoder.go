package decode

// MaxDepth is how many encapsulations one frame may nest. The deepest chain seen
// in practice is a mirror (ERSPAN) of an underlay (MPLS or PPPoE) that carries an
// overlay (VXLAN) with a user's own tunnel (GRE, then IP-in-IP): five. Eight leaves
// room, and bounds the work and the recursion on a frame that is nothing but headers.
const MaxDepth = 8

// maxExtensions bounds the chain of IPv6 extension headers. RFC 8200 section 4.1
// recommends at most seven; receivers enforce neither number nor order, so a sender
// that wants to hide may use more. Four times seven, rounded up.
const maxExtensions = 32

// Stats counts what a Decoder has seen. Status counts every call of Decode and
// Reassembled: a fragmented datagram therefore counts its fragments and then, once, itself.
type Stats struct {
	Status [NumStatus]uint64
	Tunnel [NumTunnel]uint64 // by innermost encapsulation; TunnelNone is not counted
}

// A Decoder decodes frames and counts the outcome. The zero value is ready; it is
// owned by one goroutine.
type Decoder struct {
	Stats Stats
}

// Decode fills p, all of it, from one frame of the given LINKTYPE_ number.
// p.Payload aliases data.
func (d *Decoder) Decode(link uint32, data []byte, p *Packet) {
	*p = Packet{}
	if link == linkEthernet {
		ethernet(p, data)
	} else {
		otherLink(p, link, data)
	}
	d.count(p)
}

// Reassembled goes on where Decode had stopped with StatusFragment: p is one of the
// fragments, datagram the whole payload that they make up. It fills p as Decode does;
// addresses and the tunnels around the fragments are kept and count towards MaxDepth.
// p.Payload aliases datagram.
//
// The datagram may carry a tunnel with fragments of its own: p is then a
// StatusFragment of greater Depth, so a caller that loops does so MaxDepth times at most.
func (d *Decoder) Reassembled(p *Packet, datagram []byte) {
	depth := p.Depth
	p.Payload, p.PayloadLen, p.Frag, p.Status = nil, 0, Fragment{}, StatusOther
	if p.Src.Is4() {
		ipPayload(p, p.Proto, datagram, len(datagram))
	} else {
		extensions(p, p.Proto, datagram, len(datagram))
	}
	if p.Status == StatusFragment && p.Depth == depth { // a datagram is fragmented once (RFC 8200 section 4.5)
		p.Payload, p.PayloadLen, p.Frag, p.Status = nil, 0, Fragment{}, StatusMalformed
	}
	d.count(p)
}

func (d *Decoder) count(p *Packet) {
	d.Stats.Status[p.Status]++
	if p.Tunnel != TunnelNone {
		d.Stats.Tunnel[p.Tunnel]++
	}
}

// enter notes that what follows is inside a tunnel. It reports false, with the
// status set, when that would be one too many.
func enter(p *Packet, t Tunnel, id uint32) bool {
	if p.Depth == MaxDepth {
		p.Status = StatusTooDeep
		return false
	}
	p.Depth++
	p.Tunnel, p.TunnelID = t, id
	p.Proto = 0 // until an IP header inside says otherwise
	return true
}

// short is the status of a header of need bytes that is not all there: cut by the
// capture, or, when even the declared length has no room for it, malformed.
func short(need, declared int) Status {
	if declared < need {
		return StatusMalformed
	}
	return StatusTruncated
}
