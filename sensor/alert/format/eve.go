package format

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/enrich"
	"github.com/rmmwatch/rmmwatch/sensor/eve"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// Files gives the path of a capture file by its index.
type Files func(file uint32) string

// EVE writes alerts as lines of Suricata EVE JSON, valid against the schemas of
// Suricata 7 and 8. What is ours stands under alert.metadata, as lists of
// texts. It is not safe for concurrent use.
type EVE struct {
	line eve.Line
	name Files
}

// NewEVE returns a writer of EVE lines.
func NewEVE(name Files) *EVE { return &EVE{name: name} }

// Line returns the alert as one line, newline included. Time, packet and
// five-tuple are those of the best evidence; rmm_first and rmm_last tell the
// alert's own. The line is valid until the next call.
func (w *EVE) Line(a *alert.Alert) []byte {
	l, best := &w.line, a.Best()
	l.Begin(&eve.Header{
		Type: "alert", Time: best.First, Number: best.FirstFrame.Number, File: baseName(w.name, best.FirstFrame.File),
		FlowID: best.Flow.ID, Tuple: best.Flow.Tuple, VLAN: best.Flow.VLAN, AppProto: appProto(best.Kind),
	})
	l.Open("alert")
	l.Str("action", "allowed")
	l.Uint("gid", 1)
	l.Uint("signature_id", SignatureID(a.Tool))
	l.Uint("rev", 1)
	title := headline(a.Tool)
	l.Str("signature", "RMMWATCH "+strings.ToLower(title[:1])+title[1:])
	l.Str("category", category(a))
	l.Uint("severity", severity(a.Severity()))
	w.metadata(a)
	l.Close()
	l.Open("flow")
	if a.Flows > 0 {
		toServer, toClient := a.Up, a.Down
		if best.Flow.Client != a.Host {
			toServer, toClient = toClient, toServer
		}
		l.Uint("bytes_toserver", toServer)
		l.Uint("bytes_toclient", toClient)
	}
	l.Time("start", best.Flow.Start)
	l.Close()
	return l.End()
}

// metadata adds what the sensor knows beyond Suricata's own fields.
func (w *EVE) metadata(a *alert.Alert) {
	l, t := &w.line, a.Tool
	l.Open("metadata")
	l.List("rmm_alert_id", a.ID())
	l.List("rmm_tool", t.ID)
	l.List("rmm_name", prose(t.Name))
	if t.Vendor != "" {
		l.List("rmm_vendor", prose(t.Vendor))
	}
	l.List("rmm_class", t.Class)
	l.List("rmm_host", a.Host.String())
	if a.HostName != "" {
		l.List("rmm_hostname", a.HostName)
	}
	l.List("rmm_state", a.State.String())
	l.List("rmm_kind", string(a.Kind()))
	l.List("rmm_verdict", a.Verdict.String())
	if a.Reason != "" {
		l.List("rmm_reason", prose(a.Reason))
	}
	l.List("rmm_severity", a.Severity().String())
	l.List("rmm_confidence", a.Confidence.String())
	l.List("rmm_indicator", a.Indicators()...)
	l.List("rmm_role", a.Roles()...)
	l.List("rmm_tenant", a.Tenants()...)
	var brands, domains []string
	for _, v := range lookalikes(a) {
		brands, domains = appendNew(brands, v.Brand), appendNew(domains, v.Domain)
	}
	if place := a.Place(); place != (enrich.Place{}) {
		if place.Country != "" {
			l.List("rmm_country", place.Country)
		}
		if place.ASN != 0 {
			l.List("rmm_asn", strconv.FormatUint(uint64(place.ASN), 10))
			l.List("rmm_as_org", prose(place.Org))
		}
	}
	l.List("rmm_news", news(a)...)
	l.List("rmm_other_tool", a.Others...)
	l.List("rmm_brand", brands...)
	l.List("rmm_domain", domains...)
	l.List("rmm_first", string(eve.AppendTime(nil, a.First)))
	l.List("rmm_last", string(eve.AppendTime(nil, a.Last)))
	l.List("rmm_flows", strconv.Itoa(a.Flows))
	if len(a.Sessions) > 0 {
		l.OpenList("rmm_session")
		for i := range a.Sessions {
			l.Str("", a.SessionText(&a.Sessions[i]))
		}
		l.CloseList()
	}
	l.OpenList("rmm_evidence")
	for i := range a.Evidence {
		l.Str("", w.evidence(&a.Evidence[i]))
	}
	l.CloseList()
	if a.Unkept > 0 {
		l.List("rmm_evidence_unkept", strconv.FormatUint(a.Unkept, 10))
	}
	l.List("mitre_technique_id", t.Attack...)
	l.List("rmm_advisory", t.Advisories...)
	if t.LOLRMM != "" {
		l.List("rmm_lolrmm", t.LOLRMM)
	}
	if t.Guidance != "" {
		l.List("rmm_guidance", prose(t.Guidance))
	}
	if t.Plain != "" {
		l.List("rmm_plain", prose(t.Plain))
	}
	l.Close()
}

// evidence is one piece of evidence as key=value pairs. The value comes last:
// it alone may hold spaces.
func (w *EVE) evidence(e *alert.Evidence) string {
	t := &e.Flow.Tuple
	file := printable.AppendWord(nil, []byte(filepath.Base(w.name(e.FirstFrame.File))))
	s := fmt.Sprintf("kind=%s indicator=%s count=%d packet=%d last_packet=%d first=%s last=%s file=%s flow=%s>%s/%s",
		e.Kind, e.Indicator.ID, e.Count, e.FirstFrame.Number, e.LastFrame.Number,
		eve.AppendTime(nil, e.First), eve.AppendTime(nil, e.Last), file,
		netip.AddrPortFrom(t.Client, t.ClientPort), netip.AddrPortFrom(t.Server, t.ServerPort), eve.Proto(t.Proto))
	if e.Flow.Tunnel != 0 {
		s += fmt.Sprintf(" tunnel=%s:%d", e.Flow.Tunnel, e.Flow.TunnelID)
	}
	if e.Brand != "" {
		s += fmt.Sprintf(" brand=%s domain=%s", printable.AppendWord(nil, []byte(e.Brand)), printable.AppendWord(nil, []byte(e.Domain)))
	}
	return s + " value=" + e.Value
}

// category is Suricata's own class of such alerts, in its classification.config.
func category(a *alert.Alert) string {
	if a.Kind() == alert.LookalikeDomain {
		return "Possible Social Engineering Attempted"
	}
	return "Potential Corporate Privacy Violation"
}

// prose is text of a rule file on one line, printable.
func prose(s string) string {
	return printable.Text([]byte(strings.Join(strings.Fields(s), " ")))
}

// baseName is the name of a capture file without its folder, printable.
func baseName(name Files, file uint32) string {
	return printable.Text([]byte(filepath.Base(name(file))))
}

// SignatureID is a tool's number, 9,100,000 to 9,899,999: a hash of its id,
// beyond the numbers of Snort's (below 1,000,000) and of Emerging Threats' rules
// (2,000,000 to 2,999,999), so that a SIEM that reads both tells them apart. Names that
// imitate a tool have its number and a million.
func SignatureID(t *detect.Tool) uint64 {
	h := fnv.New32a()
	h.Write([]byte(t.ID))
	id := 9_100_000 + uint64(h.Sum32()%800_000)
	if t.Imitated != nil {
		id += 1_000_000
	}
	return id
}

func appProto(k detect.Kind) string {
	switch k {
	case detect.KindDNS:
		return "dns"
	case detect.KindSNI, detect.KindCert:
		return "tls"
	case detect.KindQUIC:
		return "quic"
	case detect.KindHTTP, detect.KindConnect:
		return "http"
	}
	return ""
}

// severity is Suricata's: 1 is the most severe.
func severity(s alert.Severity) uint64 { return uint64(alert.SeverityHigh-s) + 1 }
