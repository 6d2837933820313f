package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"time"
)

// mixShape says how large a mix is to be and from which seed it grows.
type mixShape struct {
	bytes  int64 // of the whole file
	packet int   // average bytes a packet
	flows  int
	span   time.Duration // of packet time
	seed   uint64
}

// mixStart is the time of the first packet of every capture made here.
var mixStart = time.Date(2026, 3, 4, 14, 2, 11, 0, time.UTC)

// flow is one conversation between two addresses: where it stands, and what it still has to say.
type flow struct {
	script         *script
	client, server netip.AddrPort
	label          [len(labelMark)]byte // takes the place of labelMark in the script's names
	vlan           uint16
	upload         bool   // the bulk goes from client to server
	fin            uint8  // closing segments to come
	step           uint16 // next of the script's packets
	bulk           uint32 // data packets to come after the script
	credit         uint32 // acknowledgements owed, in 1/256
	seq            [2]uint32
	gap            int64 // average microseconds between bulk packets
}

// mixer writes a mix: it owns the flows, the order of their packets and the capture.
type mixer struct {
	shape  mixShape
	out    *pcapWriter
	flows  []flow
	hidden []hidden // one for each of the last flows
	chunks []chunk
	acks   uint32 // acknowledgements per bulk packet, in 1/256
	next   agenda
	rand   *rand.Rand
	patch  []byte // a payload with the flow's own label, reused
}

// writeMix writes the capture to w and, unless it is nil, the list of hidden remote-access flows to manifest.
func writeMix(w, manifest io.Writer, shape mixShape) (packets int, size int64, err error) {
	m := &mixer{shape: shape, rand: seeded(shape.seed, "packets"), out: newPcapWriter(w, linkEthernet)}
	if err := m.plan(); err != nil {
		return 0, 0, err
	}
	for len(m.next) > 0 && m.out.err == nil {
		e := m.next[0]
		if wait := m.emit(int(e.flow), e.at); wait > 0 {
			m.next.replaceFirst(event{e.at + wait, e.flow})
		} else {
			m.next.removeFirst()
		}
	}
	size = m.out.size()
	if err := m.out.flush(); err != nil {
		return 0, 0, err
	}
	if manifest != nil {
		err = m.writeManifest(manifest)
	}
	return m.out.packets, size, err
}

// emit writes the next packet of a flow and returns the microseconds until the one after it, 0 after the last.
func (m *mixer) emit(i int, at int64) int64 {
	f := &m.flows[i]
	if f.step == 0 && i >= len(m.flows)-len(m.hidden) {
		m.hidden[i-(len(m.flows)-len(m.hidden))].packet = m.out.packets + 1
	}
	b := m.out.begin()
	segs := f.script.family(f.client.Addr())
	wait := f.gap
	switch {
	case int(f.step) < len(segs):
		b = m.scripted(b, f, segs)
		wait = 15 + int64(m.rand.Uint32N(400))
		if next := int(f.step); next < len(segs) && segs[next].server != segs[next-1].server {
			wait = 2_000 + int64(m.rand.Uint32N(60_000))
		}
	case f.credit >= 256:
		f.credit -= 256
		b = m.data(b, f, !f.upload, flagACK, chunk{})
		wait = 5 + int64(m.rand.Uint32N(50))
	case f.bulk > 0:
		f.bulk--
		f.credit += m.acks
		b = m.data(b, f, f.upload, flagACK, m.chunks[m.rand.Uint32N(uint32(len(m.chunks)))])
		// Bulk comes in bursts of three on average, as a sender's congestion window lets it.
		if m.rand.Uint32N(3) > 0 {
			wait = 12
		} else {
			wait = 3 * int64(m.rand.Uint64N(uint64(2*f.gap)+1))
		}
	default:
		f.fin--
		b = m.data(b, f, f.fin%2 == 0, flagFIN|flagACK, chunk{})
		f.seq[side(f.fin%2 != 0)]++
	}
	for len(b)-m.out.at-16 < 60 {
		b = append(b, 0) // what a mirror port sees of a short frame is padded
	}
	m.out.end(b, at)
	if int(f.step) >= len(segs) && f.bulk == 0 && f.credit < 256 && f.fin == 0 {
		return 0
	}
	return max(wait, 1)
}

// scripted appends the next packet of the flow's script, with the flow's own name in it.
func (m *mixer) scripted(b []byte, f *flow, segs []segment) []byte {
	s := &segs[f.step]
	f.step++
	data, payloadSum := s.data, s.sum
	if s.label > 0 || f.script.port == 53 {
		m.patch = append(m.patch[:0], data...)
		if s.label > 0 {
			copy(m.patch[s.label:], f.label[:])
		}
		if f.script.port == 53 {
			copy(m.patch, f.label[3:5]) // the query's id
		}
		data, payloadSum = m.patch, sum(m.patch)
	}
	if f.script.proto == protoTCP {
		sent := segmentEnd(s)
		f.seq[side(s.server)] = max(f.seq[side(s.server)], sent)
	}
	return m.packet(b, f, !s.server, s.tcpHeader, data, payloadSum)
}

func segmentEnd(s *segment) uint32 {
	n := s.seq + uint32(len(s.data))
	if s.flags&flagSYN != 0 {
		n++
	}
	return n
}

// data appends one packet of the flow's bulk, or a bare acknowledgement when c is empty.
func (m *mixer) data(b []byte, f *flow, fromClient bool, flags byte, c chunk) []byte {
	from := side(!fromClient)
	h := tcpHeader{seq: f.seq[from], ack: f.seq[1-from], flags: flags}
	payload, payloadSum := c.data, c.sum
	if f.script.proto != protoTCP {
		if payload = c.short; len(c.data) == 0 {
			payload = m.chunks[0].short[:38] // an acknowledgement inside the protection
		}
		payloadSum = sum(payload)
	}
	f.seq[from] += uint32(len(payload))
	return m.packet(b, f, fromClient, h, payload, payloadSum)
}

// packet appends a whole frame between the two sides of f.
func (m *mixer) packet(b []byte, f *flow, fromClient bool, h tcpHeader, payload []byte, payloadSum uint64) []byte {
	src, dst := f.client, f.server
	srcMAC, dstMAC := hostMAC(f.client.Addr()), gatewayMAC
	if !fromClient {
		src, dst, srcMAC, dstMAC = dst, src, dstMAC, srcMAC
	}
	etherType := uint16(etherIPv4)
	if src.Addr().Is6() {
		etherType = etherIPv6
	}
	switch f.script.proto {
	case protoTCP:
		b = appendEthernet(b, dstMAC, srcMAC, f.vlan, etherType)
		base := uint32(f.label[0])<<16 + uint32(f.client.Port()) // an initial sequence number for each side
		if fromClient {
			h.seq, h.ack = h.seq+base, h.ack+base<<3
		} else {
			h.seq, h.ack = h.seq+base<<3, h.ack+base
		}
		if h.flags&flagACK == 0 {
			h.ack = 0
		}
		return appendTCP(b, src, dst, h, payload, payloadSum)
	case protoUDP:
		b = appendEthernet(b, dstMAC, srcMAC, f.vlan, etherType)
		return appendUDP(b, src, dst, uint16(m.out.packets), payload, payloadSum)
	case protoICMP:
		b = appendEthernet(b, dstMAC, srcMAC, f.vlan, etherType)
		return appendEcho(b, src.Addr(), dst.Addr(), !fromClient, f.client.Port(), uint16(f.step), payload)
	}
	b = appendEthernet(b, dstMAC, srcMAC, f.vlan, etherARP)
	return appendARP(b, 1+byte(side(!fromClient)), srcMAC, src.Addr(), dstMAC, dst.Addr())
}

var gatewayMAC = macOf(0xfffe)

// hostMAC derives a host's Ethernet address from its IP address.
func hostMAC(a netip.Addr) mac {
	b := a.As16()
	return macOf(uint32(b[12])<<24 | uint32(b[13])<<16 | uint32(b[14])<<8 | uint32(b[15]))
}

// writeManifest lists the hidden flows as tab-separated values, one a line, after a heading.
func (m *mixer) writeManifest(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, "packet\tproto\tclient\tclient_port\tserver\tserver_port\tkind\ttool\tname")
	for i, h := range m.hidden {
		f := m.flows[len(m.flows)-len(m.hidden)+i]
		proto := "tcp"
		if f.script.proto == protoUDP {
			proto = "udp"
		}
		fmt.Fprintf(out, "%d\t%s\t%s\t%d\t%s\t%d\t%s\t%s\t%s\n", h.packet, proto,
			f.client.Addr(), f.client.Port(), f.server.Addr(), f.server.Port(), h.kind, h.tool, h.name)
	}
	return out.Flush()
}
