package sensor

import (
	"bytes"
	"net/netip"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/dhcp"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/dns"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/kerberos"
	"github.com/rmmwatch/rmmwatch/sensor/applayer/netbios"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
	"github.com/rmmwatch/rmmwatch/sensor/hostnames"
)

// Ports on which hosts tell their names.
const (
	portDHCPServer = 67
	portKerberos   = 88
	portNetBIOS    = 137
)

// maxOwn bounds the addresses that one announcement names: a laptop with two
// adapters has six.
const maxOwn = 8

// hostName reads what a datagram tells of the name of its sender. It reports
// whether the flow is one that many hosts share, or on which a host tells its name
// at any time: such a flow is never decided.
func (w *Worker) hostName(f *flow.Flow, dir flow.Dir, p *decode.Packet) bool {
	switch lo, hi := f.Ports(); {
	case lo == portDHCPServer || hi == portDHCPServer:
		return w.dhcp(p.Payload)
	case lo == portNetBIOS || hi == portNetBIOS:
		return w.netBIOS(p)
	case p.DstPort == portKerberos:
		var r kerberos.Request
		kerberos.Parse(p.Payload, &r)
		w.ticket(p, &r)
	}
	return false
}

// hostNamed tells the sink.
func (w *Worker) hostNamed(s hostnames.Sighting) {
	s.Time = w.frame.Time
	w.sink.HostNamed(&s)
}

// dhcp takes a message between a client and a server. The client tells its name, and
// has its address only when the server says so, unless it renews.
func (w *Worker) dhcp(b []byte) bool {
	var m dhcp.Message
	if dhcp.Parse(b, &m) == dhcp.NotDHCP {
		return false
	}
	s := hostnames.Sighting{
		Source: hostnames.DHCP, Client: hostnames.Client{XID: m.XID, HWType: m.HWType, HWLen: uint8(len(m.HW))},
	}
	copy(s.Client.HW[:], m.HW)
	var raw [256]byte
	switch {
	case m.Reply && m.Type == dhcp.ACK:
		s.Addr = m.Your
		if !s.Addr.IsValid() { // the answer to Inform
			s.Addr = m.Client
		}
		if !s.Addr.IsValid() {
			return true
		}
	case !m.Reply && (m.Type == dhcp.Request || m.Type == dhcp.Inform || m.Type == dhcp.Discover):
		s.Addr = m.Client
		if len(m.HostName) == 0 && len(m.FQDN) == 0 {
			return true
		}
	default:
		return true
	}
	s.Name = hostnames.Clean(m.AppendName(raw[:0]))
	w.hostNamed(s)
	return true
}

// netBIOS takes a packet of the name service in which its sender speaks of itself.
// Name servers speak of others.
func (w *Worker) netBIOS(p *decode.Packet) bool {
	var m netbios.Packet
	if st := netbios.Parse(p.Payload, &m); st != netbios.Done {
		return st != netbios.NotNetBIOS
	}
	if m.Kind == netbios.Other || m.Group || m.Name.Suffix != netbios.SuffixWorkstation {
		return true
	}
	src := p.Src.Netip()
	if m.Addr.IsValid() && m.Addr != src {
		return true
	}
	if name := hostnames.Clean(m.Name.Trim()); name != "" {
		w.hostNamed(hostnames.Sighting{Source: hostnames.NetBIOS, Addr: src, Name: name})
	}
	return true
}

// ticket takes a request for a Kerberos ticket.
func (w *Worker) ticket(p *decode.Packet, r *kerberos.Request) {
	if name := r.Machine(); name != nil {
		if clean := hostnames.Clean(name); clean != "" {
			w.hostNamed(hostnames.Sighting{Source: hostnames.Kerberos, Addr: p.Src.Netip(), Name: clean})
		}
	}
}

// ticketStream looks at what a TCP client sent first for a request for a ticket.
func (w *Worker) ticketStream(p *decode.Packet, view []byte) {
	var r kerberos.Request
	kerberos.Stream(view, &r)
	w.ticket(p, &r)
}

// announced takes an mDNS response (RFC 6762). One that has the sender's own address
// under a name is about the sender, and so are the name's other addresses; what it
// says of others is hearsay.
func (w *Worker) announced(f *flow.Flow, dir flow.Dir, m *dns.Message) {
	lo, hi := f.Addrs()
	if dir == flow.HiLo {
		lo = hi
	}
	src := lo.Netip()
	answers := m.Answers[:m.NumAnswers]
	var owner []byte
	for i := range answers {
		if addr, ok := addressOf(&answers[i]); ok && addr == src {
			owner = m.Name(answers[i].Owner)
			break
		}
	}
	if owner == nil || !m.Response() || len(owner) < len(".local") || !bytes.EqualFold(owner[len(owner)-len(".local"):], []byte(".local")) {
		return
	}
	name := hostnames.CleanZone(owner)
	if name == "" {
		return
	}
	n := 0
	for i := range answers {
		if addr, ok := addressOf(&answers[i]); ok && n < maxOwn && bytes.EqualFold(m.Name(answers[i].Owner), owner) {
			n++
			w.hostNamed(hostnames.Sighting{Source: hostnames.MDNS, Addr: addr, Name: name})
		}
	}
}

// addressOf is the address in a record of type A or AAAA.
func addressOf(a *dns.Answer) (netip.Addr, bool) {
	if a.Type != dns.TypeA && a.Type != dns.TypeAAAA || a.Class != dns.ClassIN || a.TTL == 0 { // a goodbye
		return netip.Addr{}, false
	}
	addr, ok := netip.AddrFromSlice(a.Data)
	return addr.Unmap(), ok
}
