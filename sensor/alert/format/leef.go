package format

import (
	"math"
	"strconv"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
)

// LEEF writes alerts as lines of IBM's Log Event Extended Format 2.0. It is
// not safe for concurrent use.
type LEEF struct {
	buf   []byte
	files Files
}

// NewLEEF returns a writer of LEEF lines.
func NewLEEF(files Files) *LEEF { return &LEEF{files: files} }

// leefDelimiter separates attributes. It is the header's own example, and
// printable: syslog relays rewrite tabs.
const leefDelimiter = "^"

// leefText is how many characters of a value are shown. QRadar cuts payloads
// of syslog at 4096 bytes unless it is told otherwise.
const leefText = 1024

// leefTime is devTimeFormat, in the letters of Java, and the same in Go's.
const (
	leefTime   = "yyyy-MM-dd'T'HH:mm:ss.SSSZ"
	leefLayout = "2006-01-02T15:04:05.000-0700"
)

// Line returns the alert as one line.
func (w *LEEF) Line(a *alert.Alert) []byte {
	v := newView(a, w.files)
	w.buf = append(w.buf[:0], "LEEF:2.0|"+product+"|"+product+"|"+revision+"|"...)
	w.buf = append(w.buf, leefHeader.Replace(edges(v.Tool))+"|"+leefDelimiter+"|"...)
	w.str("cat", v.Kind)
	w.str("devTime", v.Time.utc().Format(leefLayout))
	w.str("devTimeFormat", leefTime)
	w.str("sev", strconv.FormatUint(severity10(v.Level), 10))
	w.str("src", v.Client)
	w.str("srcPort", strconv.Itoa(int(v.ClientPort)))
	w.str("dst", v.Server)
	w.str("dstPort", strconv.Itoa(int(v.ServerPort)))
	w.str("proto", strings.ToUpper(v.Transport))
	if v.Flows > 0 {
		toServer, toClient := v.toServer()
		w.str("srcBytes", strconv.FormatInt(long(toServer), 10))
		w.str("dstBytes", strconv.FormatInt(long(toClient), 10))
	}
	w.own(v)
	w.buf[len(w.buf)-1] = '\n' // where a delimiter follows the last attribute
	return w.buf
}

// own adds the attributes that LEEF does not define, the longest last: what a
// receiver cuts off is what it needs least.
func (w *LEEF) own(v *View) {
	w.str("rmmAlertId", v.ID)
	w.str("rmmState", v.State)
	w.str("rmmTool", v.Tool)
	w.str("rmmName", v.Name)
	w.str("rmmVendor", v.Vendor)
	w.str("rmmClass", v.Class)
	w.str("rmmHost", v.Host)
	w.str("rmmHostName", v.HostName)
	w.str("rmmPeer", v.Peer)
	w.str("rmmPeerName", peerName(v))
	w.str("rmmDirection", v.Direction)
	w.str("rmmVerdict", v.Verdict)
	w.str("rmmSessions", strings.Join(v.Sessions, "; "))
	w.str("rmmCountry", v.Country)
	if v.ASN != 0 {
		w.str("rmmAsn", strconv.FormatUint(uint64(v.ASN), 10))
		w.str("rmmAsOrg", v.ASOrg)
	}
	w.str("rmmReason", v.Reason)
	w.str("rmmNews", strings.Join(v.News, ", "))
	w.str("rmmOtherTools", strings.Join(v.OtherTools, ", "))
	w.str("rmmConfidence", v.Confidence)
	w.str("rmmFirst", v.First.utc().Format(leefLayout))
	w.str("rmmLast", v.Last.utc().Format(leefLayout))
	w.str("rmmFlows", strconv.Itoa(v.Flows))
	w.str("rmmCount", strconv.FormatInt(min(sightings(v), math.MaxInt64), 10))
	w.str("rmmTenants", strings.Join(v.Tenants, ", "))
	w.str("rmmIndicators", strings.Join(v.Indicators, ", "))
	w.str("rmmTechniques", strings.Join(techniqueIDs(v), ", "))
	w.str("rmmAdvisories", strings.Join(v.Advisories, ", "))
	w.str("rmmApp", v.Protocol)
	w.str("rmmCommunityId", v.CommunityID)
	if v.VLAN > 0 {
		w.str("rmmVlan", strconv.Itoa(int(v.VLAN)))
	}
	w.str("rmmTunnel", v.Tunnel)
	w.str("rmmFile", v.File)
	w.str("rmmSummary", v.Summary)
	w.str("rmmGuidance", v.Guidance)
	w.str("rmmEvidence", strings.Join(evidenceTexts(v), "; "))
}

// str adds an attribute; nothing where the value is empty.
func (w *LEEF) str(key, value string) {
	if value != "" {
		w.buf = append(append(w.buf, key...), '=')
		w.buf = append(append(w.buf, cut(leefValue.Replace(edges(value)), leefText)...), leefDelimiter...)
	}
}

// LEEF has no escapes: what would end a value or a field is written as package
// printable writes a byte that cannot be shown. Line ends do not occur in a
// View; should one, the same happens to it.
var (
	leefHeader = strings.NewReplacer("|", `\x7c`, "\n", `\x0a`, "\r", `\x0d`)
	leefValue  = strings.NewReplacer(leefDelimiter, `\x5e`, "\n", `\x0a`, "\r", `\x0d`)
)
