package detect

import (
	"net/netip"
	"slices"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/magic"
)

// Kind says what Fields were read from.
type Kind uint8

const (
	KindFlow    Kind = iota // addresses and ports only
	KindDNS                 // a DNS message: the names asked for and answered
	KindSNI                 // a TLS ClientHello
	KindQUIC                // a ClientHello in QUIC Initial packets
	KindCert                // a certificate of a TLS handshake
	KindHTTP                // an HTTP/1 request head
	KindConnect             // the target of a CONNECT or SOCKS request
	KindPayload             // first bytes
	KindDNSName             // a flow without a name of its own: what DNS told its client about its server's address
)

// Fields is what one message of one flow showed. The flow's own fields are
// always set; of the rest the caller sets what the kind has. Match keeps no
// reference to Fields, but a Hit's Tenant aliases a name.
type Fields struct {
	Kind       Kind
	Proto      uint8 // IP protocol of the flow: 6 or 17
	ServerPort uint16
	ServerAddr netip.Addr
	ServerASN  uint32 // of ServerAddr; 0 where it is not known

	Names [][]byte // candidates for domain patterns, as on the wire; a port behind a colon and one final dot are ignored

	// KindSNI, KindQUIC
	ALPN     [][]byte
	JA3, JA4 []byte // as text; nil when not computed
	NoSNI    bool

	// KindCert
	Subject, Issuer []Attribute
	SAN             [][]byte

	// KindHTTP, KindConnect
	Method, Host, Path, Agent []byte // Path is the request target's path with its query
	Upgrade, WebSocket        []byte // the fields Upgrade and Sec-WebSocket-Protocol

	// KindPayload
	Payload []magic.Hit // from Ruleset.Magic
}

// Hit is an indicator of which some conditions held in one call of Match. Hits
// of the same indicator and flow are put together by Join.
type Hit struct {
	Indicator *Indicator
	Tenant    []byte // the captured {tenant}: a view into the name, as on the wire (compare without case); nil when the pattern captures none
	Matched   Conds
	Pattern   int32 // index in Indicator.Domain of the pattern that matched, or -1
	Name      int32 // index in Fields.Names of the name that matched it, or -1

	counted Conds  // payloads that want several datagrams, of which this is one
	token   uint32 // what a payload with same has there
}

// Complete reports whether everything that the indicator needs has matched.
func (h *Hit) Complete() bool { return h.Matched == h.Indicator.Need }

// ALPN returns which of the protocols in f met the indicator's tls.alpn, for
// the evidence of an alert; nil when none did.
func (h *Hit) ALPN(f *Fields) []byte {
	for _, v := range f.ALPN {
		if anyGlob(h.Indicator.alpn, v, false) {
			return v
		}
	}
	return nil
}

// Match appends to dst the indicators of which f meets a condition, each at
// most once. A hit that is not Complete waits for another message of the same
// flow. Left out are hits that can no longer become complete: the flow has
// another port or address, or another condition on this very kind of message
// failed (two conditions on the ClientHello must hold for the same one).
// Indicators of only ports and addresses are yielded for KindFlow alone.
//
// A miss allocates nothing; a hit only when dst is too short.
func (rs *Ruleset) Match(f *Fields, dst []Hit) []Hit {
	start := len(dst)
	for i, name := range f.Names {
		dst = rs.matchName(f, name, int32(i), CondDomain, start, dst)
	}
	switch f.Kind {
	case KindFlow:
		dst = rs.matchFlow(f, start, dst)
	case KindSNI, KindQUIC:
		dst = rs.matchHello(f, start, dst)
	case KindCert:
		dst = rs.addAll(f, rs.certs, start, dst)
		if rs.sanRules {
			for _, name := range f.SAN {
				dst = rs.matchName(f, name, -1, CondSAN, start, dst)
			}
		}
	case KindHTTP, KindConnect:
		for _, refs := range rs.requests.find(f) {
			dst = rs.addAll(f, refs, start, dst)
		}
		dst = rs.matchName(f, f.Host, -1, CondHost, start, dst)
	}
	for _, p := range f.Payload {
		if int(p.ID) < len(rs.payload) {
			for _, r := range rs.payload[p.ID] {
				dst = rs.addPayload(f, r, p.Token, start, dst)
			}
		}
	}
	return dst
}

// addPayload records that one payload of an indicator holds.
func (rs *Ruleset) addPayload(f *Fields, r ref, token uint32, start int, dst []Hit) []Hit {
	n := len(dst)
	dst, at := rs.add(f, r.in, r.cond, start, dst)
	if at < 0 {
		return dst
	}
	h := &dst[at]
	if r.in.tokens&r.cond != 0 {
		if len(dst) == n && h.token != token && r.in.tokens&(h.Matched|h.counted)&^r.cond != 0 {
			h.Matched &^= r.cond // of one message in two roles only the first counts
			return dst
		}
		h.token = token
	}
	if r.in.repeated&r.cond != 0 {
		h.Matched &^= r.cond
		h.counted |= r.cond
	}
	return dst
}

// matchName appends the indicators that have a pattern for name as the
// condition cond: those with the longest literal part first. Where a tool names
// a host exactly, its wider patterns do not speak about that host: a vendor's
// website can be told from the relays below the same domain.
func (rs *Ruleset) matchName(f *Fields, name []byte, nameAt int32, cond Conds, start int, dst []Hit) []Hit {
	var found [maxLabels]suffix
	n := rs.index.suffixes(name, &found)
	if n == 0 {
		return dst
	}
	var buf [maxName]byte
	low := lowerName(name, &buf)
	if low == nil {
		return dst
	}
	exact := len(dst) // dst[exact:named] name the whole host
	named := exact
	for n--; n >= 0; n-- {
		cut := found[n].cut
		for _, r := range rs.index.find(found[n].hash, spaceName, low[cut:]) {
			if r.cond != cond || cut > 0 && cond == CondDomain && namesTool(dst[exact:named], r.in.Tool) {
				continue
			}
			from, to, ok := r.pattern.matchLeft(low[:max(cut-1, 0)])
			if !ok {
				continue
			}
			var hit int
			if dst, hit = rs.add(f, r.in, cond, start, dst); hit < 0 || nameAt < 0 {
				continue
			}
			if h := &dst[hit]; h.Name < 0 || h.Tenant == nil && to > 0 {
				h.Name, h.Pattern, h.Tenant = nameAt, r.value, nil
				if to > 0 {
					h.Tenant = name[from:to:to]
				}
			}
		}
		if cut == 0 {
			named = len(dst)
		}
	}
	return dst
}

// namesTool reports whether a hit is of an indicator of t.
func namesTool(hits []Hit, t *Tool) bool {
	for i := range hits {
		if hits[i].Indicator.Tool == t {
			return true
		}
	}
	return false
}

// matchHello looks for indicators by what a ClientHello has.
func (rs *Ruleset) matchHello(f *Fields, start int, dst []Hit) []Hit {
	for _, v := range f.ALPN {
		dst = rs.addAll(f, rs.index.lookup(spaceALPN, v), start, dst)
	}
	if rs.ja3 && f.JA3 != nil {
		dst = rs.addAll(f, rs.index.lookup(spaceJA3, f.JA3), start, dst)
	}
	if rs.ja4 && f.JA4 != nil {
		dst = rs.addAll(f, rs.index.lookup(spaceJA4, f.JA4), start, dst)
	}
	if f.NoSNI {
		dst = rs.addAll(f, rs.noSNI, start, dst)
	}
	if len(f.ALPN) > 0 {
		dst = rs.addAll(f, rs.alpnGlobs, start, dst)
	}
	return dst
}

// matchFlow looks for indicators that need nothing but the flow.
func (rs *Ruleset) matchFlow(f *Fields, start int, dst []Hit) []Hit {
	if rs.PortOfInterest(f.Proto, f.ServerPort) {
		dst = rs.addAll(f, rs.ports, start, dst)
	}
	if rs.flowASN && rs.asns[f.ServerASN] {
		key := asnKey(f.ServerASN)
		dst = rs.addAll(f, rs.index.lookup(spaceASN, key[:]), start, dst)
	}
	if !rs.flowIP || !f.ServerAddr.IsValid() {
		return dst
	}
	for _, n := range rs.ipBits {
		if p, ok := widen(f.ServerAddr, n); ok {
			key := ipKey(p)
			dst = rs.addAll(f, rs.index.lookup(spaceIP, key[:]), start, dst)
		}
	}
	return dst
}

func (rs *Ruleset) addAll(f *Fields, refs []ref, start int, dst []Hit) []Hit {
	for i := range refs {
		dst, _ = rs.add(f, refs[i].in, refs[i].cond, start, dst)
	}
	return dst
}

// add records that cond of in holds. It returns the index of the indicator's
// hit in dst, or -1 when the other conditions rule it out.
func (rs *Ruleset) add(f *Fields, in *Indicator, cond Conds, start int, dst []Hit) ([]Hit, int) {
	for i := start; i < len(dst); i++ {
		if dst[i].Indicator == in {
			dst[i].Matched |= cond
			return dst, i
		}
	}
	held, ok := in.evaluate(f, cond)
	if !ok {
		return dst, -1
	}
	// What DNS shows has no other message to be completed by.
	if (f.Kind == KindDNS || f.Kind == KindFlow || f.Kind == KindDNSName) && held != in.Need {
		return dst, -1
	}
	return append(dst, Hit{Indicator: in, Matched: held, Pattern: -1, Name: -1}), len(dst)
}

// evaluate returns held with the further conditions that f decides, or false
// when one of those does not hold.
func (in *Indicator) evaluate(f *Fields, held Conds) (Conds, bool) {
	decided := condsFlow
	switch f.Kind {
	case KindSNI, KindQUIC:
		decided |= condsHello
	case KindCert:
		decided |= condsCert
	case KindHTTP, KindConnect:
		decided |= condsHTTP
	}
	open := in.Need & decided &^ held
	if open&condsFlow != 0 && !in.flowHolds(f, open) ||
		open&condsHello != 0 && !in.helloHolds(f, open) ||
		open&condsCert != 0 && !in.certHolds(f, open) ||
		open&condsHTTP != 0 && !in.requestHolds(f, open) {
		return held, false
	}
	return held | open, true
}

func (in *Indicator) flowHolds(f *Fields, open Conds) bool {
	return (open&CondPort == 0 || hasPort(in.Port, f.Proto, f.ServerPort)) &&
		(open&CondIP == 0 || hasAddr(in.IP, f.ServerAddr)) &&
		(open&CondASN == 0 || f.ServerASN != 0 && slices.Contains(in.ASN, f.ServerASN))
}

func (in *Indicator) helloHolds(f *Fields, open Conds) bool {
	return (open&CondNoSNI == 0 || f.NoSNI) &&
		(open&CondJA4 == 0 || hasText(in.TLS.JA4, f.JA4)) &&
		(open&CondJA3 == 0 || hasText(in.TLS.JA3, f.JA3)) &&
		(open&CondALPN == 0 || anyGlobAny(in.alpn, f.ALPN))
}

func (in *Indicator) certHolds(f *Fields, open Conds) bool {
	return (open&CondSubject == 0 || anySet(in.subject, f.Subject)) &&
		(open&CondIssuer == 0 || anySet(in.issuer, f.Issuer)) &&
		(open&CondSAN == 0 || anyName(in.san, f.SAN))
}

func (in *Indicator) requestHolds(f *Fields, open Conds) bool {
	return (open&CondMethod == 0 || hasText(in.HTTP.Method, f.Method)) &&
		(open&CondPath == 0 || anyGlob(in.path, f.Path, false)) &&
		(open&CondAgent == 0 || anyGlob(in.agent, f.Agent, true)) &&
		(open&CondUpgrade == 0 || anyItem(in.upgrade, f.Upgrade, true)) &&
		(open&CondWebSocket == 0 || anyItem(in.websocket, f.WebSocket, false)) &&
		(open&CondHost == 0 || matchesAny(in.host, f.Host))
}
