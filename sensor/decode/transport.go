package decode

import "encoding/binary"

// tcp decodes a TCP segment (RFC 9293 section 3.1) of n bytes, of which b was
// captured. Options are not looked into, so a capture that cuts them still gives
// every field and an empty payload.
func tcp(p *Packet, b []byte, n int) {
	const header = 20
	if len(b) < header {
		p.Status = short(header, n)
		return
	}
	offset := int(b[12]>>4) * 4
	if offset < header || offset > n {
		p.Status = StatusMalformed
		return
	}
	p.SrcPort = binary.BigEndian.Uint16(b)
	p.DstPort = binary.BigEndian.Uint16(b[2:])
	p.Seq = binary.BigEndian.Uint32(b[4:])
	p.Ack = binary.BigEndian.Uint32(b[8:])
	p.Flags = b[13]
	p.Checksum = binary.BigEndian.Uint16(b[16:])
	p.Payload, p.PayloadLen = b[min(offset, len(b)):], uint32(n-offset)
	p.Status = StatusTransport
}

// udp decodes a UDP datagram (RFC 768) of n bytes, of which b was captured.
func udp(p *Packet, b []byte, n int) {
	const header = 8
	if len(b) < header {
		p.Status = short(header, n)
		return
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length == 0 && (n > 0xffff || !p.Src.Is4()) {
		length = n // RFC 2675 section 4; IPv4 packets as long come from offloading
	}
	if length < header || length > n {
		p.Status = StatusMalformed
		return
	}
	src, dst := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	payload := b[header:min(length, len(b))]
	whole := len(payload) == length-header
	if port := tunnelPort(src, dst); port != 0 && udpTunnel(p, port, payload, whole) {
		return
	}
	p.SrcPort, p.DstPort = src, dst
	p.Checksum = binary.BigEndian.Uint16(b[6:])
	p.Payload, p.PayloadLen = payload, uint32(length-header)
	p.Status = StatusTransport
}
