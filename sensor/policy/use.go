package policy

import (
	"net/netip"

	"github.com/rmmwatch/rmmwatch/sensor/decode"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// Verdict is what the policy says of a use.
type Verdict uint8

// The verdicts, the zero value among them: without a policy nothing is
// sanctioned.
const (
	Unsanctioned     Verdict = iota // no entry covers it
	Sanctioned                      // an entry permits it
	OutsideHours                    // an entry would at other hours
	ExpiredException                // an entry did until its end
	ForeignTenant                   // the tool is sanctioned here, for another tenant or relay
	Never                           // malware: no entry can permit it
	numVerdict
)

var verdictNames = [numVerdict]string{"unsanctioned", "sanctioned", "outside-hours", "expired-exception", "foreign-tenant", "never"}

// String is the verdict as alerts and rmmwatch policy write it.
func (v Verdict) String() string {
	if v < numVerdict {
		return verdictNames[v]
	}
	return "unknown"
}

// MarshalText is String.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Use is what is known of a host's use of a tool at one time.
type Use struct {
	Tool     *detect.Tool
	Host     netip.Addr
	VLAN     uint16 // outermost identifier, 0 for none
	Tunnel   decode.Tunnel
	TunnelID uint32
	Time     int64     // nanoseconds since 1970
	Contacts []Contact // whom the host had to do with; none when that is not known
}

// Contact is one thing that is known of the other side. What is not known is
// the zero value.
type Contact struct {
	Tenant string // the vendor's customer that the name carries
	Name   string
	Addr   netip.Addr
	// Vendor says that the rules know the name or address as the tool's: not a relay of
	// somebody's own. Names below the tool's owned domains are that anyhow.
	Vendor bool
}

// knownAs are conditions that only the vendor's own names and addresses meet.
const knownAs = detect.CondDomain | detect.CondHost | detect.CondIP

// ContactOf makes a contact of a match. name is the host name of the matched
// message, or "" (a ClientHello's, a request's, the one that DNS gave the address); peer is
// the side of the flow that is not the host. It reports false for what says nothing
// about the other side: a port alone. The resolver that answers a question and the
// proxy that is asked for a name are not the other side either, and are left out.
func ContactOf(in *detect.Indicator, kind detect.Kind, name, tenant string, peer netip.Addr) (Contact, bool) {
	if in.Need&^detect.CondPort == 0 {
		return Contact{}, false
	}
	c := Contact{Tenant: tenant, Name: name, Addr: peer, Vendor: in.Need&knownAs != 0}
	if kind == detect.KindDNS || kind == detect.KindConnect {
		c.Addr = netip.Addr{}
	}
	return c, c.Tenant != "" || c.Name != "" || c.Addr.IsValid()
}

// vendors reports whether a contact is the vendor's without saying which
// customer's, and so says nothing of whose remote access it is.
func (u *Use) vendors(c *Contact) bool {
	if c.Tenant != "" {
		return false
	}
	if c.Vendor {
		return true
	}
	for _, domain := range u.Tool.Owned {
		if c.Name != "" && below(trimDot(c.Name), domain) {
			return true
		}
	}
	return false
}

// Explained reports whether a contact is an address that another contact has
// with a name or tenant: then that one is judged, once.
func (u *Use) Explained(c *Contact) bool {
	if c.Tenant != "" || c.Name != "" {
		return false
	}
	for i := range u.Contacts {
		o := &u.Contacts[i]
		if o.Addr == c.Addr && (o.Tenant != "" || o.Name != "") {
			return true
		}
	}
	return false
}

func trimDot(name string) string {
	if n := len(name); n > 0 && name[n-1] == '.' {
		return name[:n-1]
	}
	return name
}
