package dns

// TCP takes the first message off head, the ordered bytes of one direction of
// a TCP stream, where each follows its length in two bytes (RFC 1035 section
// 4.2.2). Done: msg is a message for Parse, rest is what follows and may hold
// further ones. NeedMore: msg is what there is of an incomplete message; if no
// more is to come, Parse reads that as Partial. NotDNS: this is something
// else, or no longer DNS. Both slices alias head.
func TCP(head []byte) (msg, rest []byte, st Status) {
	if len(head) < 2 {
		return nil, nil, NeedMore
	}
	n := int(be.Uint16(head))
	msg = head[2:]
	if n < minMessage || len(msg) >= minMessage && !Plausible(msg) {
		return nil, nil, NotDNS
	}
	if len(msg) < n {
		return msg, nil, NeedMore
	}
	return msg[:n:n], msg[n:], Done
}
