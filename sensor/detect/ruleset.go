package detect

import (
	"net/netip"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/magic"
)

// Tool is one rule file: what a tool is, and how it is recognised. It belongs
// to a Ruleset and is never written to after loading.
type Tool struct {
	ID         string       `json:"tool"`
	Name       string       `json:"name"`
	Vendor     string       `json:"vendor,omitempty"`
	Class      string       `json:"class"`
	Attack     []string     `json:"attack,omitempty"` // MITRE ATT&CK technique ids
	LOLRMM     string       `json:"lolrmm,omitempty"` // its page in the LOLRMM catalogue
	Brands     []string     `json:"brands,omitempty"`
	Owned      []string     `json:"owned,omitempty"`
	Advisories []string     `json:"advisories,omitempty"`
	Guidance   string       `json:"guidance,omitempty"` // for the analyst
	Plain      string       `json:"plain,omitempty"`    // for everybody else
	Session    *Session     `json:"session,omitempty"`  // nil for the default
	Indicators []*Indicator `json:"indicators"`

	File string `json:"-"` // where it was read from

	// Imitated is the tool that names imitate, in a Tool that stands for such names; else
	// nil. Its id is that of the tool.
	Imitated *Tool `json:"-"`

	match   []ruleTest
	noMatch []ruleTest
	at      position
}

// Classes are the values of a tool's class.
var Classes = []string{"rmm", "remote-desktop", "tunnel", "mesh-vpn", "rat", "protocol"}

// Roles are the values of an indicator's role: what the matched peer is for.
// An indicator of only payloads or ports may have none.
var Roles = []string{"relay", "control", "download", "update", "portal", "marketing"}

// Confidence is how sure a match makes us of the tool.
type Confidence uint8

const (
	Low Confidence = 1 + iota
	Medium
	High
)

var confidences = []string{"low", "medium", "high"}

// String is low, medium or high.
func (c Confidence) String() string {
	if c < Low || c > High {
		return "none"
	}
	return confidences[c-Low]
}

// MarshalText is String.
func (c Confidence) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Conds is a set of conditions of an indicator. Each matcher is one condition,
// except payload, where each item of the list is one.
type Conds uint32

const (
	CondDomain Conds = 1 << iota
	CondPort
	CondIP
	CondASN
	CondALPN
	CondJA3
	CondJA4
	CondNoSNI
	CondSubject
	CondIssuer
	CondSAN
	CondMethod
	CondHost
	CondPath
	CondAgent
	CondUpgrade
	CondWebSocket
	condPayload // and the bits above it, one for each item

	maxPayloads = 8

	condsFlow    = CondPort | CondIP | CondASN
	condsHello   = CondALPN | CondJA3 | CondJA4 | CondNoSNI
	condsCert    = CondSubject | CondIssuer | CondSAN
	condsHTTP    = CondMethod | CondHost | CondPath | CondAgent | CondUpgrade | CondWebSocket
	condsPayload = (1<<maxPayloads - 1) * condPayload
)

var condNames = []string{
	"domain", "port", "ip", "asn", "tls.alpn", "tls.ja3", "tls.ja4", "tls.no_sni", "tls.subject",
	"tls.issuer", "tls.san", "http.method", "http.host", "http.path", "http.agent", "http.upgrade", "http.websocket",
}

// String lists the matchers as a rule file names them, joined by +.
func (c Conds) String() string {
	var names []string
	for i, name := range condNames {
		if c>>i&1 != 0 {
			names = append(names, name)
		}
	}
	if c&condsPayload != 0 {
		names = append(names, "payload")
	}
	return strings.Join(names, "+")
}

// Indicator is one way to recognise its tool. All the matchers it has must
// hold; within a list of values one is enough, except for payloads, which must
// all be seen. It is never written to after loading.
type Indicator struct {
	Tool       *Tool          `json:"-"`
	ID         string         `json:"id"`
	Role       string         `json:"role,omitempty"`
	Confidence Confidence     `json:"confidence"`
	Domain     []string       `json:"domain,omitempty"`
	Payload    []Payload      `json:"payload,omitempty"`
	Port       []PortRange    `json:"port,omitempty"`
	TLS        TLS            `json:"tls,omitzero"`
	HTTP       HTTP           `json:"http,omitzero"`
	IP         []netip.Prefix `json:"ip,omitempty"`
	ASN        []uint32       `json:"asn,omitempty"` // numbers of autonomous systems
	Source     []string       `json:"source,omitempty"`
	Note       string         `json:"note,omitempty"`

	// Need is every condition that must hold.
	Need Conds `json:"-"`

	domains, san, host []pattern
	alpn, path, agent  []glob
	upgrade, websocket []glob
	subject, issuer    []nameSet
	magic              []magic.Pattern // one for each Payload, not yet numbered
	tokens, repeated   Conds           // the payloads with same, with count
	at                 position
	broken             bool // it has mistakes: only while its file is read
}

// Payload is bytes that must stand at one place near the start of a flow.
type Payload struct {
	Proto string `json:"proto"`          // tcp or udp
	From  string `json:"from"`           // client, server or any
	At    uint16 `json:"at,omitempty"`   // offset in the first bytes of the direction (tcp), or in the datagram (udp)
	Hex   string `json:"hex,omitempty"`  // with ?? for any byte
	Text  string `json:"text,omitempty"` // instead of Hex
	Mask  string `json:"mask,omitempty"` // hexadecimal: the bits of Hex or Text that count

	Size   uint32         `json:"size,omitempty"`   // the exact size of the message; 0 is any
	Length *PayloadLength `json:"length,omitempty"` // a field that tells the size of the message
	Count  uint8          `json:"count,omitempty"`  // udp: that many datagrams of the flow must match; 0 is one
	Same   *uint16        `json:"same,omitempty"`   // offset of four bytes that all payloads with Same must have alike
	First  bool           `json:"first,omitempty"`  // tcp: the other side has not sent anything yet
}

// PayloadLength is a field of a message that must tell the message's size: the
// value, without its lowest Shift bits, plus Add.
type PayloadLength struct {
	At    uint16 `json:"at"`
	Type  string `json:"type"` // u8, u16be, u16le, u24be, u24le, u32be, u32le
	Shift uint8  `json:"shift,omitempty"`
	Add   int32  `json:"add,omitempty"`
}

// TLS is what must hold for a TLS or QUIC handshake.
type TLS struct {
	ALPN    []string `json:"alpn,omitempty"`
	JA3     []string `json:"ja3,omitempty"`
	JA4     []string `json:"ja4,omitempty"`
	Subject []string `json:"subject,omitempty"`
	Issuer  []string `json:"issuer,omitempty"`
	SAN     []string `json:"san,omitempty"`
	NoSNI   bool     `json:"no_sni,omitempty"`
}

// HTTP is what must hold for one HTTP request head.
type HTTP struct {
	Method []string `json:"method,omitempty"`
	Host   []string `json:"host,omitempty"`
	Path   []string `json:"path,omitempty"`
	Agent  []string `json:"agent,omitempty"`

	Upgrade   []string `json:"upgrade,omitempty"`   // the protocol to change to
	WebSocket []string `json:"websocket,omitempty"` // a WebSocket sub-protocol that the client offers
}

// Ruleset is a compiled set of rule files. It is immutable: any number of
// workers may use one at the same time, and a reload makes another.
type Ruleset struct {
	tools   []*Tool
	version string

	index   index
	ipBits  []int // the prefix lengths in use, longest first
	magic   *magic.Matcher
	payload [][]ref // by magic pattern id

	alpnGlobs []ref // indicators that no exact value leads to, by what leads to them
	noSNI     []ref
	certs     []ref
	requests  requestIndex
	ports     []ref
	portMap   [2][1 << 16 / 64]uint64 // tcp, udp: ports of flow-only indicators
	flowIP    bool
	addrMap   [2][1 << 16 / 64]uint64 // IPv4, IPv6: first 16 bits of the addresses in ip conditions
	asns      map[uint32]bool         // of asn conditions; nil without any
	flowASN   bool                    // some indicator has nothing but an asn condition, or with it a port
	ja3, ja4  bool
	sanRules  bool

	imitations imitations
}

// Tools returns the tools, sorted by id. The caller must not change them.
func (rs *Ruleset) Tools() []*Tool { return rs.tools }

// Tool returns the tool with this id, or nil.
func (rs *Ruleset) Tool(id string) *Tool {
	for _, t := range rs.tools {
		if t.ID == id {
			return t
		}
	}
	return nil
}

// Version names the content of the set: two sets with the same tools,
// whatever files they came from, have the same version.
func (rs *Ruleset) Version() string { return rs.version }

// Magic matches first bytes against the payload patterns of the set; the hits
// it yields are those that Fields.Payload takes.
func (rs *Ruleset) Magic() *magic.Matcher { return rs.magic }

// PortOfInterest reports whether an indicator needs nothing but this port of
// the server: only then, or with AddrOfInterest, is Match with KindFlow worth
// a call.
func (rs *Ruleset) PortOfInterest(proto uint8, port uint16) bool {
	i := 0
	if proto != protoTCP {
		if proto != protoUDP {
			return false
		}
		i = 1
	}
	return rs.portMap[i][port>>6]>>(port&63)&1 != 0
}

// AddrOfInterest reports whether an ip condition of some indicator could hold
// for an address, given as two big-endian words, IPv4 in its IPv4-mapped form.
// Where it cannot, Fields.ServerAddr need not be set.
func (rs *Ruleset) AddrOfInterest(hi, lo uint64) bool {
	m, i := &rs.addrMap[1], hi>>48
	if hi == 0 && lo>>32 == 0xffff {
		m, i = &rs.addrMap[0], lo>>16&0xffff
	}
	return m[i>>6]>>(i&63)&1 != 0
}

// NeedJA3 reports whether some indicator asks for a JA3.
func (rs *Ruleset) NeedJA3() bool { return rs.ja3 }

// NeedJA4 reports whether some indicator could match a JA4 that starts with a,
// its first ten bytes (JA4_a), so that the hashes need not be made otherwise.
func (rs *Ruleset) NeedJA4(a []byte) bool {
	return rs.ja4 && rs.index.lookup(spaceJA4a, a) != nil
}
