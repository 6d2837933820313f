package format

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// ocsfVersion is the release of the Open Cybersecurity Schema Framework.
const ocsfVersion = "1.8.0"

// OCSF writes alerts as events of OCSF's class Detection Finding (2004). It is
// not safe for concurrent use.
type OCSF struct {
	buf   bytes.Buffer
	files Files
}

// NewOCSF returns a writer of OCSF events.
func NewOCSF(files Files) *OCSF { return &OCSF{files: files} }

// enum is an identifier of OCSF with its caption.
type enum struct {
	id      int
	caption string
}

// Severities and confidences by level from 1, and the directions.
var (
	ocsfSeverity   = []enum{{}, {2, "Low"}, {3, "Medium"}, {4, "High"}}
	ocsfConfidence = map[string]enum{"low": {1, "Low"}, "medium": {2, "Medium"}, "high": {3, "High"}}
	ocsfDirection  = map[string]enum{"inbound": {1, "Inbound"}, "outbound": {2, "Outbound"}, "internal": {3, "Lateral"}}
)

// ocsfUnknown stands where OCSF requires a text that no evidence has.
const ocsfUnknown = "Unknown"

// Line returns the alert as one line. The first telling of an alert creates the
// finding, later ones update it, and the last closes it. A finding's status is
// what people make of it: New.
func (w *OCSF) Line(a *alert.Alert) []byte {
	v := newView(a, w.files)
	severity, confidence := ocsfSeverity[v.Level], ocsfConfidence[v.Confidence]
	activity, activityName := 1, "Create"
	switch {
	case a.Revision == 0:
	case a.State == alert.Closed:
		activity, activityName = 3, "Close"
	default:
		activity, activityName = 2, "Update"
	}
	e := &ocsfEvent{
		ActivityID: activity, ActivityName: activityName, CategoryUID: 2, CategoryName: "Findings", ClassUID: 2004, ClassName: "Detection Finding",
		TypeUID: 200400 + activity, TypeName: "Detection Finding: " + activityName, SeverityID: severity.id, Severity: severity.caption,
		ConfidenceID: confidence.id, Confidence: confidence.caption, StatusID: 1, Status: "New", IsAlert: true, Message: v.Summary,
		Time: v.Time.UnixMilli(), StartTime: v.First.UnixMilli(), EndTime: v.Last.UnixMilli(), Count: min(sightings(v), math.MaxInt32),
		Metadata: ocsfMetadata{
			Version: ocsfVersion, UID: v.MessageID, EventCode: v.Tool, Product: ocsfProduct{Name: product, VendorName: product},
		},
		Finding: ocsfFinding{
			UID: v.ID, Title: cut(v.headline, maxText), Desc: v.Summary, Types: []string{v.Kind},
			FirstSeen: v.First.UnixMilli(), LastSeen: v.Last.UnixMilli(),
			Analytic: ocsfAnalytic{TypeID: 1, Type: "Rule", UID: v.Tool, Name: v.Name, Category: v.Class, Desc: v.Plain},
		},
		Attacks: ocsfAttacks(v), Observables: ocsfObservables(v),
		Resources: []ocsfResource{{UID: v.Host, IP: v.Host, Hostname: v.HostName, Type: "host", RoleID: 3, Role: "Affected"}}, Unmapped: ocsfRest(v),
	}
	if v.Guidance != "" {
		e.Remediation = &ocsfRemediation{v.Guidance}
	}
	if v.Kind == string(alert.RemoteAccessTrojan) {
		e.Malware = []ocsfMalware{{Name: v.Name, UID: v.Tool, ClassificationIDs: []int{11}, Classifications: []string{"Remote-Access-Trojan"}}}
	}
	for i := range v.Evidence {
		e.Evidences = append(e.Evidences, ocsfEvidenceOf(v, &v.Evidence[i]))
	}
	return jsonLine(&w.buf, e)
}

// ocsfEvidenceOf tells one piece of evidence; what OCSF has no attribute for
// stands in its data.
func ocsfEvidenceOf(v *View, from *Evidence) ocsfEvidence {
	dir, ver := ocsfDirection[direction(v.Inbound, from.from.Flow.Server)], enum{4, "Internet Protocol version 4 (IPv4)"}
	if ipVersion(from.Server) == "ipv6" {
		ver = enum{6, "Internet Protocol version 6 (IPv6)"}
	}
	e := ocsfEvidence{
		Name: from.Label, UID: from.Indicator,
		Source:      ocsfEndpoint{IP: from.Client, Port: from.ClientPort},
		Destination: ocsfEndpoint{IP: from.Server, Port: from.ServerPort},
		Connection: ocsfConnection{
			DirectionID: dir.id, Direction: dir.caption, Protocol: from.Transport, ProtocolNum: int(from.from.Flow.Proto), VersionID: ver.id,
			Version: ver.caption, CommunityUID: from.CommunityID, UID: strconv.FormatUint(from.FlowID, 10),
		},
		Data: ocsfData{
			Kind: from.Kind, Value: from.Value, Confidence: from.Confidence, Role: from.Role, Tenant: from.Tenant, Count: long(from.Count),
			First: from.First.UnixMilli(), Last: from.Last.UnixMilli(), File: from.File, Packet: long(from.Packet), LastPacket: long(from.LastPacket),
			Tunnel: from.Tunnel,
		},
	}
	if from.VLAN > 0 {
		e.Source.VLAN = strconv.Itoa(int(from.VLAN))
		e.Destination.VLAN = e.Source.VLAN
	}
	e.shown(from)
	return e
}

// shown puts what evidence shows into OCSF's own attribute.
func (e *ocsfEvidence) shown(from *Evidence) {
	need := from.from.Indicator.Need
	switch from.from.Kind {
	case detect.KindDNS:
		e.Query = &ocsfQuery{question(from.Value)}
	case detect.KindDNSName:
		e.Destination.Hostname = from.Name
	case detect.KindSNI, detect.KindQUIC:
		if from.Name != "" {
			e.TLS = &ocsfTLS{Version: ocsfUnknown, SNI: from.Name}
			e.Destination.Hostname = from.Name
		} else if need&detect.CondJA3 != 0 && need&(detect.CondALPN|detect.CondJA4) == 0 {
			e.TLS = &ocsfTLS{Version: ocsfUnknown, JA3: &ocsfFingerprint{AlgorithmID: 1, Algorithm: "MD5", Value: from.Value}}
		}
	case detect.KindHTTP, detect.KindConnect:
		_, rest, _ := strings.Cut(from.Value, " ")
		switch {
		case from.Name != "":
			e.Destination.Hostname = from.Name
		case rest == "":
		case need&detect.CondAgent != 0:
			e.Request = &ocsfRequest{Agent: rest}
		default:
			e.Request = &ocsfRequest{URL: &ocsfURL{rest}}
		}
	}
}

func ocsfAttacks(v *View) (list []ocsfAttack) {
	for i := range v.Techniques {
		t := &v.Techniques[i]
		a := ocsfAttack{Version: attackVersion}
		if t.Tactic != "" {
			a.Tactic = &ocsfNamed{t.Tactic, t.TacticName, tacticURL(t.Tactic)}
		}
		if t.Parent == "" {
			a.Technique = ocsfNamed{t.ID, t.Name, t.URL}
		} else {
			a.Technique = ocsfNamed{t.Parent, t.ParentName, "https://attack.mitre.org/techniques/" + t.Parent + "/"}
			a.Sub = &ocsfNamed{t.ID, t.Name, t.URL}
		}
		list = append(list, a)
	}
	return list
}

// ocsfObservables are what an analyst searches for, each once, under the
// attribute where it stands.
func ocsfObservables(v *View) (list []ocsfObservable) {
	seen := func(name string, typ enum, value string) {
		for i := range list {
			if list[i].Value == value && list[i].TypeID == typ.id {
				return
			}
		}
		if value != "" {
			list = append(list, ocsfObservable{name, typ.id, typ.caption, value})
		}
	}
	hostname, ip := enum{1, "Hostname"}, enum{2, "IP Address"}
	seen("resources.ip", ip, v.Host)
	seen("resources.hostname", hostname, v.HostName)
	for i := range v.Evidence {
		e := &v.Evidence[i]
		seen("evidences.src_endpoint.ip", ip, e.Client)
		seen("evidences.dst_endpoint.ip", ip, e.Server)
		switch {
		case e.Kind == "dns":
			seen("evidences.query.hostname", hostname, question(e.Value))
		case e.Kind == "certificate":
			seen("evidences.data.value", hostname, e.Name)
		default:
			seen("evidences.dst_endpoint.hostname", hostname, e.Name)
		}
	}
	return list
}

func ocsfRest(v *View) ocsfUnmapped {
	u := ocsfUnmapped{
		Vendor: v.Vendor, LOLRMM: v.LOLRMM, Peer: v.Peer, Up: long(v.Up), Down: long(v.Down), Flows: v.Flows, Tenants: v.Tenants, Roles: v.Roles,
		Sessions: v.Sessions, Country: v.Country, ASN: v.ASN, ASOrg: v.ASOrg, Verdict: v.Verdict, Reason: v.Reason, News: v.News, OtherTools: v.OtherTools,
		Indicators: v.Indicators, Advisories: v.Advisories, Unkept: long(v.Unkept), SignatureID: v.SignatureID,
	}
	for _, l := range v.Lookalikes {
		u.Lookalikes = append(u.Lookalikes, ocsfLookalike(l))
	}
	return u
}
