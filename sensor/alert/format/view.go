package format

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/eve"
	"github.com/rmmwatch/rmmwatch/sensor/policy"
)

// View is an alert as templates and every format but EVE see it. Every text is
// printable ASCII of at most 1024 characters, and fit for nothing but plain
// text: what else it goes into has its own escapes. Fields stay; new ones may
// come.
type View struct {
	ID          string // the alert's own, the same in every replay
	State       string // opened, updated or closed
	MessageID   string // the id of this telling of the alert
	Kind        string // one of alert.Kinds, such as unsanctioned-tool
	Severity    string // low, medium, high
	Level       int    // severity as a number: 1, 2, 3
	Confidence  string // low, medium, high
	Summary     string // one sentence: who does what with which tool
	Tool        string // id in the rules
	Name        string
	Vendor      string
	Class       string // rmm, remote-desktop, tunnel, mesh-vpn, rat, protocol
	LOLRMM      string // id in the LOLRMM catalogue
	SignatureID uint64 // see SignatureID

	Host      string // the host that the alert is about
	HostName  string // what it calls itself; empty where it is not known
	Peer      string // address and port that it talked to, in the best evidence
	Inbound   bool   // reached from outside the home networks
	Direction string // inbound, outbound, internal

	// Of the best evidence.
	Time                   Time
	Client, Server         string // addresses
	ClientPort, ServerPort uint16
	Transport              string // tcp, udp
	Protocol               string // dns, tls, quic, http; empty where it is not known
	CommunityID            string
	VLAN                   uint16 // outermost, 0 for none
	Tunnel                 string // such as vxlan:42; empty for none
	File                   string // name of the capture without its folder
	Packet                 uint64 // number in that file

	First, Last Time
	Up, Down    uint64 // bytes from the host and to it, of all flows that were hit
	Flows       int

	Names      []string // host names in the evidence, each once
	Addresses  []string // host, clients and servers in the evidence, each once
	Verdict    string   // of the policy: unsanctioned, foreign-tenant, outside-hours, expired-exception, never
	Reason     string   // of the policy's entry that decided, empty for none
	News       []string // of the memory: first-on-host, first-in-network, second-tool-on-host, returned-after-silence
	OtherTools []string // with second-tool-on-host: the tools that were there before
	Tenants    []string
	Country    string // of the peer, ISO 3166-1; empty where it is not known
	ASN        uint32 // autonomous system of the peer; 0 where it is not known
	ASOrg      string // who runs that
	Roles      []string
	Indicators []string
	Techniques []Technique
	Advisories []string
	Guidance   string
	Plain      string
	Lookalikes []Lookalike // in alerts of kind lookalike-domain
	Sessions   []string    // when a person was driving, as key=value pairs
	Evidence   []Evidence
	Unkept     uint64 // sightings beyond the evidence that an alert keeps

	headline string // what it is, in a few words
	best     int    // index of the evidence to show first
}

// Lookalike is how a name of the evidence imitates a tool.
type Lookalike struct {
	Brand     string // the word that is imitated
	Technique string // confusable, wrong-tld, joined, edited, inside, label
	Domain    string // what was registered
}

// Evidence is one piece of evidence of a View.
type Evidence struct {
	Kind       string // dns, tls, quic, certificate, http, connect, payload, dns-name, flow
	Label      string // as a person calls it: DNS, SNI, ALPN, certificate, ...
	Indicator  string
	Role       string
	Confidence string
	Value      string
	Name       string // the host name that Value is or, behind an alias, ends with; else empty
	Tenant     string
	Count      uint64

	First, Last        Time
	Packet, LastPacket uint64
	File               string

	Client, Server         string
	ClientPort, ServerPort uint16
	Peer                   string
	Transport              string
	Protocol               string
	CommunityID            string
	FlowID                 uint64
	VLAN                   uint16
	Tunnel                 string

	from *alert.Evidence
}

// newView reads an alert.
func newView(a *alert.Alert, files Files) *View {
	t, best := a.Tool, a.Best()
	v := &View{
		ID: a.ID(), MessageID: a.MessageID(), State: a.State.String(), Kind: string(a.Kind()), Severity: a.Severity().String(), Level: int(a.Severity()), Confidence: a.Confidence.String(),
		Tool: safe(t.ID), Name: cut(prose(t.Name), maxText), Vendor: cut(prose(t.Vendor), maxText), Class: safe(t.Class), LOLRMM: safe(t.LOLRMM),
		SignatureID: SignatureID(t), Host: a.Host.String(), HostName: safe(a.HostName), Inbound: a.Inbound,
		First: Time{a.First}, Last: Time{a.Last}, Up: a.Up, Down: a.Down, Flows: a.Flows, Unkept: a.Unkept,
		Verdict: a.Verdict.String(), Reason: cut(prose(a.Reason), maxText), News: news(a), OtherTools: safeList(a.Others),
		Tenants: safeList(a.Tenants()), Roles: safeList(a.Roles()), Indicators: safeList(a.Indicators()), Advisories: safeList(t.Advisories),
		headline: headline(t), Lookalikes: lookalikes(a),
		Guidance: cut(prose(t.Guidance), maxText), Plain: cut(prose(t.Plain), maxText), Addresses: []string{a.Host.String()},
	}
	for _, id := range t.Attack {
		if id != "" {
			v.Techniques = append(v.Techniques, technique(id))
		}
	}
	for i := range a.Evidence {
		e := newEvidence(a, &a.Evidence[i], files)
		if &a.Evidence[i] == best {
			v.best = i
		}
		v.Evidence = append(v.Evidence, e)
		v.Names = appendNew(v.Names, e.Name)
		v.Addresses = appendNew(appendNew(v.Addresses, e.Client), e.Server)
	}
	b := &v.Evidence[v.best]
	v.Time, v.Client, v.Server, v.ClientPort, v.ServerPort, v.Peer = b.First, b.Client, b.Server, b.ClientPort, b.ServerPort, b.Peer
	v.Transport, v.Protocol, v.CommunityID, v.VLAN, v.Tunnel = b.Transport, b.Protocol, b.CommunityID, b.VLAN, b.Tunnel
	v.File, v.Packet = b.File, b.Packet
	for i := range a.Sessions {
		v.Sessions = append(v.Sessions, a.SessionText(&a.Sessions[i]))
	}
	place := a.Place()
	v.Country, v.ASN, v.ASOrg = safe(place.Country), place.ASN, safe(place.Org)
	v.Direction = direction(a.Inbound, best.Flow.Server)
	v.Summary = summarize(v, a.Verdict)
	return v
}

func newEvidence(a *alert.Alert, from *alert.Evidence, files Files) Evidence {
	t := &from.Flow.Tuple
	e := Evidence{
		Kind: from.Kind.String(), Label: label(from), Indicator: safe(from.Indicator.ID), Role: safe(from.Indicator.Role),
		Confidence: from.Indicator.Confidence.String(), Value: safe(from.Value), Tenant: safe(from.Tenant), Count: from.Count,
		First: Time{from.First}, Last: Time{from.Last}, Packet: from.FirstFrame.Number, LastPacket: from.LastFrame.Number,
		File: cut(baseName(files, from.FirstFrame.File), maxText), Client: t.Client.String(), Server: t.Server.String(), ClientPort: t.ClientPort,
		ServerPort: t.ServerPort, Peer: peer(a, from), Transport: strings.ToLower(eve.Proto(t.Proto)), Protocol: appProto(from.Kind),
		CommunityID: t.CommunityID(), FlowID: from.Flow.ID, VLAN: from.Flow.VLAN, from: from,
	}
	e.Name = nameIn(from, e.Value)
	if from.Flow.Tunnel != 0 {
		e.Tunnel = fmt.Sprintf("%s:%d", from.Flow.Tunnel, from.Flow.TunnelID)
	}
	return e
}

// nameIn is the host name that value, the one of e, is, or empty: the worker shows
// the name where an indicator's domain was found. Of an alias it is what the alias leads to.
func nameIn(e *alert.Evidence, value string) string {
	switch e.Kind {
	case detect.KindDNS, detect.KindDNSName:
		_, name := detect.SplitAlias(value)
		return name
	case detect.KindSNI, detect.KindQUIC, detect.KindCert, detect.KindHTTP, detect.KindConnect:
		if len(e.Indicator.Domain) > 0 {
			return value
		}
	}
	return ""
}

// question is the name that was asked for, of evidence of DNS.
func question(value string) string {
	if asked, _ := detect.SplitAlias(value); asked != "" {
		return asked
	}
	return value
}

// direction is how a flow crosses the border of our networks, as far as an
// alert knows it: a server with an address that is not of the Internet is
// within.
func direction(inbound bool, server netip.Addr) string {
	server = server.Unmap()
	switch {
	case inbound:
		return "inbound"
	case server.IsPrivate() || server.IsLoopback() || server.IsLinkLocalUnicast() || server.IsMulticast():
		return "internal"
	}
	return "outbound"
}

// summarize says who does what.
func summarize(v *View, verdict policy.Verdict) string {
	host := whose(v.Host, v.HostName)
	s := host + " uses " + v.Name
	switch {
	case v.Kind == string(alert.LookalikeDomain):
		s = host + " talked to "
		if v.Flows == 0 {
			s = host + " looked up "
		}
		s += v.Evidence[v.best].Name + ", a " + v.Name
		if len(v.Lookalikes) > 0 {
			l := v.Lookalikes[0]
			for _, other := range v.Lookalikes {
				if strings.HasSuffix(v.Evidence[v.best].Name, other.Domain) {
					l = other
					break
				}
			}
			s += fmt.Sprintf(" (%s, %s, domain %s)", l.Brand, l.Technique, l.Domain)
		}
		if n := len(v.Names) - 1; n > 0 {
			s += fmt.Sprintf(", and %d more", n)
		}
	case v.Kind == string(alert.RemoteAccessTrojan):
		s = host + " shows " + v.Name + ", a remote access trojan"
	case v.Inbound:
		s = host + " offers " + v.Name + " and was reached from outside"
	case v.Flows == 0:
		s = host + " looked up names of " + v.Name
	}
	if words := verdicts[verdict]; words != "" {
		s += ", " + words
	}
	if n := len(v.Tenants); n > maxTenants {
		s += fmt.Sprintf(", tenants %s and %d more", strings.Join(v.Tenants[:maxTenants], ", "), n-maxTenants)
	} else if n > 0 {
		s += ", tenant " + strings.Join(v.Tenants, " and ")
	}
	return cut(s, maxText)
}

// whose names a host to a person.
func whose(addr, name string) string {
	if name == "" {
		return addr
	}
	return addr + " (" + shorten(name, maxName, false) + ")"
}

// news lists what the memory says.
func news(a *alert.Alert) (out []string) {
	for _, n := range a.News {
		out = append(out, string(n))
	}
	return out
}

// verdicts say in a few words what a verdict means to a person.
var verdicts = map[policy.Verdict]string{
	policy.ForeignTenant:    "not our tenant or relay",
	policy.OutsideHours:     "outside the sanctioned hours",
	policy.ExpiredException: "the exception has expired",
}

// headline says what an alert is about in a few words.
func headline(t *detect.Tool) string {
	if t.Imitated != nil {
		return "Look-alike domain of " + prose(t.Imitated.Name)
	}
	return "Remote access with " + prose(t.Name)
}

// lookalikes lists how the names of the evidence imitate, each way once.
func lookalikes(a *alert.Alert) (list []Lookalike) {
	for i := range a.Evidence {
		e := &a.Evidence[i]
		l := Lookalike{safe(e.Brand), safe(e.Indicator.ID), safe(e.Domain)}
		if e.Brand != "" && !slices.Contains(list, l) {
			list = append(list, l)
		}
	}
	return list
}

// appendNew adds a text that is not empty and not there yet.
func appendNew(list []string, s string) []string {
	if s == "" || slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// toServer returns the bytes that client and server sent in the flows that were
// hit, seen from the flow of the best evidence.
func (v *View) toServer() (toServer, toClient uint64) {
	if v.Client != v.Host {
		return v.Down, v.Up
	}
	return v.Up, v.Down
}
