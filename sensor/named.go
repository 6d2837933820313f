package sensor

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/dns"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
	"github.com/rmmwatch/rmmwatch/sensor/names"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// maxAliases bounds the names that lead to an address: resolvers follow no more
// (BIND and Unbound give up after 11).
const maxAliases = 12

// maxLearned bounds the bytes of names that are kept with an address: two of the
// longest.
const maxLearned = 512

// dnsPath is how an answer leads from the name that was asked for to addresses.
type dnsPath struct {
	names [maxAliases][]byte // in the form of zone files
	n     int
	addrs [dns.MaxAnswers]decode.Addr
	found int
	ttl   uint32 // the least on the way, seconds
}

// follow reads the path of an answer to one question. Records that are not on it
// count for nothing: a resolver would not follow them either.
func (p *dnsPath) follow(m *dns.Message) {
	p.n, p.found, p.ttl = 0, 0, uint32(names.MaxTTL/1e9)
	at := m.Questions[0].Name
	for p.n < maxAliases {
		p.names[p.n] = m.Name(at)
		p.n++
		next := -1
		for i := range m.Answers[:m.NumAnswers] {
			a := &m.Answers[i]
			if a.Class != dns.ClassIN || a.Owner != at && !bytes.EqualFold(m.Name(a.Owner), p.names[p.n-1]) {
				continue
			}
			switch a.Type {
			case dns.TypeCNAME:
				next = i
			case dns.TypeA, dns.TypeAAAA:
				p.add(a.Data, len(a.Data), a.TTL)
			case dns.TypeHTTPS, dns.TypeSVCB:
				p.add(a.IPv4Hint, 4, a.TTL)
				p.add(a.IPv6Hint, 16, a.TTL)
			}
		}
		if next < 0 {
			return
		}
		at = m.Answers[next].Target
		p.ttl = min(p.ttl, m.Answers[next].TTL)
	}
}

// add takes addresses of size bytes each.
func (p *dnsPath) add(b []byte, size int, ttl uint32) {
	for ; size > 0 && len(b) >= size && p.found < len(p.addrs); b = b[size:] {
		if size == 4 {
			p.addrs[p.found] = decode.Addr4(b)
		} else if size == 16 {
			p.addrs[p.found] = decode.Addr16(b)
		} else {
			return
		}
		p.found++
		p.ttl = min(p.ttl, ttl)
	}
}

// learn takes what a DNS answer says about addresses. It comes after match, whose hits
// say which names the rules know; shown are the names of the message.
func (w *Worker) learn(f *flow.Flow, m *dns.Message, shown [][]byte) {
	if !m.Response() || m.RCode != 0 || m.Opcode != dns.OpcodeQuery || m.NumQuestions != 1 || m.NumAnswers == 0 {
		return
	}
	now := w.frame.Time
	if dns.UsualPort(f.ServerPort()) {
		w.told.Answers(f.ServerAddr(), now)
	}
	p := &w.path
	p.follow(m)
	if p.found == 0 {
		return
	}
	known := w.known[:0]
	for i := range w.hits {
		h := &w.hits[i]
		if h.Name < 0 || !h.Complete() || h.Indicator.Role == "marketing" {
			continue
		}
		name := shown[h.Name]
		onPath := slices.ContainsFunc(p.names[:p.n], func(n []byte) bool { return bytes.EqualFold(n, name) })
		if onPath && !slices.ContainsFunc(known, func(n []byte) bool { return bytes.EqualFold(n, name) }) {
			known = append(known, name)
		}
	}
	w.known = known
	site := names.Site(p.names[0])
	if len(known) > 0 {
		site = names.Site(known[0]) // the vendor's, whatever the alias is called
	}
	for _, a := range p.addrs[:p.found] {
		w.told.Carries(a, site, now)
	}
	// What a resolver asks upstream it asks for others, with or without recursion.
	if len(known) == 0 || m.Flags&dns.FlagRD == 0 || w.told.IsResolver(f.ClientAddr(), now) {
		return
	}
	answer := w.answerOf(p, known)
	for _, a := range p.addrs[:p.found] {
		w.told.Learn(f.ClientAddr(), a, now, int64(p.ttl)*1e9, answer)
	}
}

// answerOf copies what is to be remembered of an answer.
func (w *Worker) answerOf(p *dnsPath, known [][]byte) *names.Answer {
	a := &names.Answer{Names: [][]byte{bytes.Clone(p.names[0])}}
	size := len(p.names[0])
	for _, name := range known {
		if size += len(name); size <= maxLearned && !bytes.EqualFold(name, p.names[0]) {
			a.Names = append(a.Names, bytes.Clone(name))
		}
	}
	for _, name := range p.names[:p.n] {
		a.Shared = a.Shared || names.Rented(name)
	}
	return a
}

// ownName books that a flow has shown a name of its own, or goes to a proxy: DNS
// does not name it.
func ownName(f *flow.Flow) { f.App |= resolved }

// settle books what a message showed that may have had a name of the server.
func (w *Worker) settle(f *flow.Flow, own bool) {
	if own {
		ownName(f)
	} else {
		w.nameless(f)
	}
}

// nameless looks up what DNS told the client of a flow that shows no name of
// its own about the server. It is called when that is known, and asks once.
func (w *Worker) nameless(f *flow.Flow) {
	if f.App&resolved != 0 {
		return
	}
	f.App |= resolved
	if !w.named(f) && w.missed != nil {
		w.missed.add(f, w.frame)
	}
}

// namelessBytes is nameless for a TCP flow whose client sends what no parser
// knows. Where TLS may begin later on, with a name, that is awaited; where the start was
// missed, nobody knows what was shown.
func (w *Worker) namelessBytes(f *flow.Flow, dir flow.Dir) {
	if f.SawStart(dir) && (f.Sent(dir) >= maxUnknown || !startsTLS(f.ServerPort())) {
		w.nameless(f)
	}
}

// startsTLS reports whether clients of a port speak in clear and then change to
// TLS with STARTTLS or its like: mail, news, directories, chat, FTP, PostgreSQL.
func startsTLS(port uint16) bool {
	switch port {
	case 21, 25, 110, 119, 143, 389, 587, 2525, 4190, 5222, 5269, 5432, 6667:
		return true
	}
	return false
}

// named matches what DNS told about the server of a flow and passes hits on. It
// reports whether DNS told anything.
func (w *Worker) named(f *flow.Flow) bool {
	client, server := f.ClientAddr(), f.ServerAddr()
	e := w.told.Lookup(client, server, f.First())
	if e == nil {
		return false
	}
	if w.told.IsResolver(client, f.First()) {
		return true
	}
	fields := w.begin(f, detect.KindDNSName)
	for _, name := range e.Answer.Names {
		w.names = append(w.names, w.zone.add(name, len(w.names)))
	}
	fields.Names = w.names
	w.hits = w.rules.Match(fields, w.hits[:0])
	w.zone.show(fields.Names)
	shared := e.Answer.Shared || w.told.Shared(server, f.First())
	for i := range w.hits {
		h := &w.hits[i]
		in := h.Indicator
		if shared {
			in = in.Weaker()
		}
		if h.Name < 0 || !h.Complete() || in == nil || in.Role == "marketing" {
			continue
		}
		f.Mark |= flow.MarkHit
		w.Stats.Matches++
		s := w.sighting(f, in, detect.KindDNSName, aliasText(fields.Names, int(h.Name)))
		s.Tenant = strings.ToLower(printable.Text(h.Tenant))
		s.Name = nameText(detect.KindDNS, fields.Names[0])
		w.sink.Add(s)
	}
	return true
}

// aliasText shows the at-th of names that DNS gave, with the first one, for which it
// stands.
func aliasText(names [][]byte, at int) string {
	return detect.Aliased(nameText(detect.KindDNS, names[0]), nameText(detect.KindDNS, names[at]))
}

// isHostName reports whether a name, as TLS and HTTP carry it, is one and not an
// address.
func isHostName(name []byte) bool {
	if len(name) == 0 {
		return false
	}
	if c := name[len(name)-1]; (c < '0' || c > '9') && bytes.IndexByte(name, ':') < 0 {
		return true // an address of four numbers ends with a digit, any other has colons
	}
	host := string(name)
	if _, err := netip.ParseAddrPort(host); err == nil {
		return false
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err != nil
}

// maxMissed is how many nameless flows a worker remembers, for which another
// worker may still read the answer that came before: two hosts and their resolver are
// often seen by two workers, which lie up to a quarter of a second apart.
const maxMissed = 1024

// missed are the latest flows that nothing was told about, in a ring.
type missed struct {
	flows   [maxMissed]missedFlow
	next    int
	learned uint64 // what told.Learned said when they were looked up last
	frame   capture.Frame
}

type missedFlow struct {
	flow   *flow.Flow
	id     uint64 // of flow: the table may use its memory for another since
	time   int64
	number uint64
	file   uint32
}

func (m *missed) add(f *flow.Flow, fr *capture.Frame) {
	m.flows[m.next%maxMissed] = missedFlow{f, f.ID(), fr.Time, fr.Number, fr.File}
	m.next++
}

// shareNames makes what one worker reads of DNS known to all.
func (l *Live) shareNames() {
	if len(l.workers) < 2 {
		return
	}
	told := names.New(namesOf(l.Config), l.Seed)
	for _, lw := range l.workers {
		lw.worker.told, lw.worker.missed = told, new(missed)
	}
}

// retell looks flows up again when other workers have learned something.
func (w *Worker) retell() {
	m := w.missed
	if m == nil || m.learned == w.told.Learned() {
		return
	}
	m.learned = w.told.Learned()
	frame := w.frame
	w.frame = &m.frame
	for i := max(0, m.next-maxMissed); i < m.next; i++ {
		e := &m.flows[i%maxMissed]
		if e.flow == nil || e.flow.ID() != e.id {
			continue
		}
		m.frame.Time, m.frame.Number, m.frame.File = e.time, e.number, e.file
		if w.named(e.flow) {
			e.flow = nil
		}
	}
	w.frame = frame
}
