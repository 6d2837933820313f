package alert

import (
	"container/list"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"

	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/enrich"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
	"github.com/rmmwatch/rmmwatch/sensor/policy"
)

// Frame names a packet: the file of the capture and its number there, as
// tshark counts.
type Frame struct {
	File   uint32 // index among the capture's files
	Number uint64 // 1-based
}

// Flow is what an alert keeps of a flow.
type Flow struct {
	flow.Tuple
	ID       uint64 // see flow.Flow.ID
	Start    int64  // packet time of the first packet, nanoseconds
	VLAN     uint16 // outermost identifier, 0 for none
	Tunnel   decode.Tunnel
	TunnelID uint32
}

// Sighting is one match of one indicator. It holds copies only: nothing in it
// points into a packet.
type Sighting struct {
	Indicator *detect.Indicator
	Kind      detect.Kind // what the match was read from
	Value     string      // what matched, as printable ASCII
	Tenant    string      // the customer that the name carries, as printable ASCII
	Name      string      // the host name of the message, as printable ASCII; empty where it has none
	Time      int64       // packet time, nanoseconds
	Frame     Frame
	Flow      Flow
	Answer    bool // a DNS response rather than a query

	// Of a name that imitates a tool: the brand, and what was registered, as printable ASCII.
	Brand, Domain string
}

// Evidence is all sightings of one value by one indicator within an alert.
type Evidence struct {
	Indicator   *detect.Indicator
	Kind        detect.Kind
	Value       string
	Tenant      string
	Count       uint64
	First, Last int64 // packet times, nanoseconds
	FirstFrame  Frame
	LastFrame   Frame
	Flow        Flow         // of the first sighting
	Place       enrich.Place // where the other side is; nothing for a DNS server and without databases

	Brand, Domain string // as in Sighting
}

// Alert is the use of one tool by one host, or its meeting with names that
// imitate the tool: what the SOC is told.
type Alert struct {
	Tool         *detect.Tool
	Host         netip.Addr // the host that uses the tool: ours, where one side is
	HostName     string     // what the host calls itself, as printable ASCII; empty where it is not known
	Inbound      bool       // the host was reached from outside the home networks
	Verdict      policy.Verdict
	Reason       string // of the entry of the policy that decided; empty for none
	Confidence   detect.Confidence
	News         []News   // what the memory says of the use
	Others       []string // with SecondTool: the ids of the other tools
	First        int64    // packet times of the first and latest sighting or packet of a hit flow, nanoseconds
	Last         int64
	Up, Down     uint64 // transport payload bytes of the hit flows, from the host and to it
	Flows        int    // how many flows were hit
	Evidence     []Evidence
	Sessions     []Session // when a person was driving, in the order in which they began to
	MoreSessions int       // that are not kept
	Unkept       uint64    // sightings beyond the evidence that an alert keeps
	State        State
	Revision     int // how often the alert was told before, of a collector that tells more than the end

	place          *list.Element
	as             Kind  // what it is told as, where it would be no alert otherwise
	admitted, held bool  // by the budget
	live           int   // hit flows that have not ended
	fresh          bool  // evidence came since the alert was told
	told           int64 // packet time when it was told last, nanoseconds
}

// State is where an alert is in its life.
type State uint8

const (
	Closed  State = iota // host and tool were silent, or the capture ended: what it says is final
	Opened               // the first evidence that suffices
	Updated              // something was learned since
)

func (s State) String() string { return [...]string{"closed", "opened", "updated"}[s] }

// Imitation reports whether the alert is about names that imitate its tool.
func (a *Alert) Imitation() bool { return a.Tool.Imitated != nil }

// ID names the alert: a hash of host, tool and beginning, the same in every
// replay of the same capture.
func (a *Alert) ID() string {
	text := fmt.Appendf(nil, "%s\x00%s\x00%d", a.Host, a.Tool.ID, a.First)
	if a.Imitation() {
		text = append(text, "\x00imitation"...)
	}
	if a.Verdict != policy.Unsanctioned {
		text = fmt.Appendf(text, "\x00%s", a.Verdict)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// MessageID names one telling of the alert: its id, and a number from the second
// on.
func (a *Alert) MessageID() string {
	if a.Revision == 0 {
		return a.ID()
	}
	return fmt.Sprintf("%s-%d", a.ID(), a.Revision)
}

// Best is the evidence to show first: the surest, and of those the first seen.
func (a *Alert) Best() *Evidence {
	best := 0
	for i := range a.Evidence {
		if rank(&a.Evidence[i]) > rank(&a.Evidence[best]) {
			best = i
		}
	}
	return &a.Evidence[best]
}

// rank orders evidence for Best: a session tells more than the question for a
// name, a name more than a port.
func rank(e *Evidence) int {
	r := int(e.Indicator.Confidence) * 4
	switch e.Kind {
	case detect.KindFlow:
		return r
	case detect.KindDNS:
		return r + 1
	case detect.KindPayload:
		return r + 2
	}
	return r + 3
}

// Kind says what makes use of a tool worth telling.
type Kind string

const (
	UnsanctionedTool   Kind = "unsanctioned-tool"    // a tool that nobody has declared to be ours
	ForeignTenant      Kind = "foreign-tenant"       // a tool of ours, for a customer or relay that is not ours: how attackers bring their own
	OutsideHours       Kind = "outside-hours"        // sanctioned, but not at this time
	ExpiredException   Kind = "expired-exception"    // was sanctioned until its end
	ExposedService     Kind = "exposed-service"      // one of our hosts serves remote access to the outside
	LookalikeDomain    Kind = "lookalike-domain"     // a name that a person takes for the vendor's and that belongs to somebody else
	RemoteAccessTrojan Kind = "remote-access-trojan" // malware, or a tool that only criminals sell
	KindFirstOnHost    Kind = "first-on-host"        // a sanctioned tool that the host never used before; told when asked for
	KindSecondTool     Kind = "second-tool-on-host"  // a sanctioned tool on a host that uses another; told when asked for
	AlertStorm         Kind = "alert-storm"          // more alerts in a minute than the budget allows: how many, of which tools
	SensorBlind        Kind = "sensor-blind"         // the sensor loses packets, or none come: what it does not report says nothing
)

// ClassSensor is the class of the tool that stands for the sensor itself in
// alerts about it.
const ClassSensor = "sensor"

// StormID is the id of that tool in alerts about a storm.
const StormID = "rmmwatch-storm"

// Kinds lists every kind.
var Kinds = []Kind{UnsanctionedTool, ForeignTenant, OutsideHours, ExpiredException, ExposedService, LookalikeDomain, RemoteAccessTrojan, KindFirstOnHost, KindSecondTool, AlertStorm, SensorBlind}

// Kind returns what kind of alert it is; malware is that wherever it listens.
func (a *Alert) Kind() Kind {
	switch {
	case a.as != "":
		return a.as
	case a.Imitation():
		return LookalikeDomain
	case a.Tool.Class == "rat":
		return RemoteAccessTrojan
	case a.Tool.Class == ClassSensor && a.Tool.ID == StormID:
		return AlertStorm
	case a.Tool.Class == ClassSensor:
		return SensorBlind
	case a.Inbound:
		return ExposedService
	case a.Verdict == policy.ForeignTenant:
		return ForeignTenant
	case a.Verdict == policy.OutsideHours:
		return OutsideHours
	case a.Verdict == policy.ExpiredException:
		return ExpiredException
	}
	return UnsanctionedTool
}

// Severity is how much an alert matters, from 1.
type Severity uint8

const (
	SeverityLow Severity = iota + 1
	SeverityMedium
	SeverityHigh
)

// Severities lists the names, the least first.
var Severities = []string{"low", "medium", "high"}

func (s Severity) String() string { return Severities[s-1] }

// Severity returns how much the alert matters.
func (a *Alert) Severity() Severity { return severity(a) }

// Tenants returns the distinct tenants in the evidence, in order of sighting.
func (a *Alert) Tenants() []string {
	return distinct(a.Evidence, func(e *Evidence) string { return e.Tenant })
}

// Roles returns the distinct roles of the indicators that were hit.
func (a *Alert) Roles() []string {
	return distinct(a.Evidence, func(e *Evidence) string { return e.Indicator.Role })
}

// Indicators returns the ids of the indicators that were hit.
func (a *Alert) Indicators() []string {
	return distinct(a.Evidence, func(e *Evidence) string { return e.Indicator.ID })
}

// distinct lists the non-empty values of evidence, each once, in order.
func distinct(evidence []Evidence, value func(*Evidence) string) (out []string) {
next:
	for i := range evidence {
		v := value(&evidence[i])
		if v == "" {
			continue
		}
		for _, o := range out {
			if o == v {
				continue next
			}
		}
		out = append(out, v)
	}
	return out
}

// fact is what evidence tells, as a bit. Two kinds of reading that tell the
// same, such as a name in DNS and then in a ClientHello, are one fact.
type fact uint8

const (
	factName fact = 1 << iota
	factCertificate
	factFingerprint // ALPN, JA3, JA4, no SNI
	factPayload
	factRequest // HTTP method, path, agent
	factAddress
	factPort
	factNetwork // the autonomous system: like a port, nothing by itself

	factAlone = factPort | factNetwork
)

// facts returns what an indicator's conditions tell once they hold.
func facts(in *detect.Indicator) (f fact) {
	for _, c := range []struct {
		conds detect.Conds
		fact  fact
	}{
		{detect.CondDomain | detect.CondHost, factName},
		{detect.CondSubject | detect.CondIssuer | detect.CondSAN, factCertificate},
		{detect.CondALPN | detect.CondJA3 | detect.CondJA4 | detect.CondNoSNI, factFingerprint},
		{detect.CondMethod | detect.CondPath | detect.CondAgent | detect.CondUpgrade | detect.CondWebSocket, factRequest},
		{detect.CondIP, factAddress},
		{detect.CondPort, factPort},
		{detect.CondASN, factNetwork},
	} {
		if in.Need&c.conds != 0 {
			f |= c.fact
		}
	}
	if len(in.Payload) > 0 {
		f |= factPayload
	}
	return f
}

// confidence fuses the evidence: that of the surest indicator, one step higher
// when another indicator tells an independent fact. Ports tell nothing by
// themselves: without other evidence there is no confidence at all.
func confidence(evidence []Evidence) detect.Confidence {
	var best detect.Confidence
	var all fact
	for i := range evidence {
		in := evidence[i].Indicator
		f := facts(in)
		all |= f
		if f&^factAlone != 0 {
			best = max(best, in.Confidence)
		}
	}
	if best == 0 {
		return 0
	}
	for i := range evidence {
		in := evidence[i].Indicator
		if in.Confidence == best && facts(in)&^factAlone != 0 && all&^facts(in) != 0 {
			return min(best+1, detect.High)
		}
	}
	return best
}
