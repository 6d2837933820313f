package format

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// ecsVersion is the release of the Elastic Common Schema that documents follow.
const ecsVersion = "9.4.0"

// ECS writes alerts as documents of the Elastic Common Schema. What is ours
// stands under rmmwatch, a namespace of our own as ECS advises. It is not safe
// for concurrent use.
type ECS struct {
	buf   bytes.Buffer
	files Files
}

// NewECS returns a writer of ECS documents.
func NewECS(files Files) *ECS { return &ECS{files: files} }

// Line returns the alert as one line.
func (w *ECS) Line(a *alert.Alert) []byte {
	v := newView(a, w.files)
	d := &ecsDocument{
		Timestamp: v.Time, ECS: ecsECS{ecsVersion}, Message: v.Summary, Event: ecsEventOf(v),
		Rule: ecsRule{
			ID: v.Tool, Name: cut("Remote access with "+v.Name, maxText), Category: v.Class, Description: v.Plain, Ruleset: product,
		},
		Threat: ecsThreatOf(v), Source: ecsEndpoint{Address: v.Client, IP: v.Client, Port: v.ClientPort},
		Destination: ecsEndpoint{Address: v.Server, IP: v.Server, Port: v.ServerPort, Domain: peerName(v)},
		Network: ecsNetwork{
			CommunityID: v.CommunityID, Direction: v.Direction, Protocol: v.Protocol, Transport: v.Transport, Type: ipVersion(v.Server),
		},
		Host: ecsHost{[]string{v.Host}, v.HostName, v.HostName}, Related: ecsRelated{IP: v.Addresses, Hosts: appendNew(slices.Clip(v.Names), v.HostName)},
		Observer: ecsObserver{Product: product, Type: "ids", Vendor: product}, Own: ecsOwnOf(v),
	}
	peer := &d.Destination
	if v.Inbound {
		peer = &d.Source
	}
	if v.Country != "" {
		peer.Geo = &ecsGeo{v.Country}
	}
	if v.ASN != 0 {
		peer.AS = &ecsAS{Number: v.ASN}
		peer.AS.Organization.Name = v.ASOrg
	}
	if v.Flows > 0 {
		toServer, toClient := v.toServer()
		up, down := long(toServer), long(toClient)
		d.Source.Bytes, d.Destination.Bytes = &up, &down
	}
	if v.Protocol == "dns" {
		d.Destination.Domain = "" // the name asked for, not the server's
	}
	if v.VLAN > 0 {
		d.Network.VLAN.ID = strconv.Itoa(int(v.VLAN))
	}
	if v.Transport != "" {
		d.Network.IANA = strconv.Itoa(int(v.Evidence[v.best].from.Flow.Proto))
	}
	for i := range v.Evidence {
		d.shown(&v.Evidence[i])
	}
	return jsonLine(&w.buf, d)
}

// riskScores are Elastic's own for its detection rules, by level.
var riskScores = []float64{0, 21, 47, 73}

func ecsEventOf(v *View) ecsEvent {
	e := ecsEvent{
		Action: v.Kind, Category: []string{"intrusion_detection", "network"}, Code: strconv.FormatUint(v.SignatureID, 10),
		Dataset: product + ".alert", End: v.Last, ID: v.ID, Kind: "alert", Module: product, Provider: product, Reason: v.Summary,
		RiskScore: riskScores[v.Level], RiskScoreNorm: riskScores[v.Level], Severity: v.Level, Start: v.First, Type: []string{"info"},
	}
	if v.Kind == string(alert.RemoteAccessTrojan) {
		e.Category = append(e.Category, "malware")
	}
	if d := v.Last.ns - v.First.ns; v.Last.ns >= v.First.ns && d >= 0 { // a difference of far times wraps
		e.Duration = &d
	}
	return e
}

// ecsThreatOf tells the techniques. Lists beside each other hold the same
// technique at the same place.
func ecsThreatOf(v *View) ecsThreat {
	t := ecsThreat{Software: ecsSoftware{Name: v.Name, Type: "Tool"}}
	if v.Kind == string(alert.RemoteAccessTrojan) {
		t.Software.Type = "Malware"
	}
	for i := range v.Techniques {
		q := &v.Techniques[i]
		t.Framework = "MITRE ATT&CK"
		if q.Tactic != "" {
			t.Tactic.add(q.Tactic, q.TacticName, tacticURL(q.Tactic))
		}
		if q.Parent == "" {
			t.Technique.add(q.ID, q.Name, q.URL)
			continue
		}
		t.Technique.add(q.Parent, q.ParentName, "https://attack.mitre.org/techniques/"+q.Parent+"/")
		if t.Technique.Sub == nil {
			t.Technique.Sub = new(ecsNamed)
		}
		t.Technique.Sub.add(q.ID, q.Name, q.URL)
	}
	return t
}

// add appends what is not there yet. What has no page has no reference either,
// in any place: lists of unlike length would mislead.
func (n *ecsNamed) add(id, name, url string) {
	if slices.Contains(n.ID, id) {
		return
	}
	n.ID, n.Name = append(n.ID, id), append(n.Name, name)
	if url != "" && len(n.Reference) == len(n.ID)-1 {
		n.Reference = append(n.Reference, url)
	} else {
		n.Reference = nil
	}
}

// shown puts what evidence shows into ECS's own field, the first of a kind.
func (d *ecsDocument) shown(e *Evidence) {
	if e.Value == "" {
		return
	}
	need := e.from.Indicator.Need
	switch e.from.Kind {
	case detect.KindDNS:
		if d.DNS == nil {
			d.DNS = &ecsDNS{Type: "query", Question: ecsQuestion{question(e.Value)}}
		}
	case detect.KindSNI, detect.KindQUIC:
		if e.Name != "" {
			first(&d.tls().Client.ServerName, e.Value)
		} else if need&detect.CondJA3 != 0 && need&(detect.CondALPN|detect.CondJA4) == 0 {
			first(&d.tls().Client.JA3, e.Value)
		}
	case detect.KindCert:
		x := &d.tls().Server.X509
		if e.Name != "" {
			x.AlternativeNames = appendNew(x.AlternativeNames, e.Value)
		} else {
			first(&x.Subject.DistinguishedName, e.Value)
		}
	case detect.KindHTTP, detect.KindConnect:
		d.request(e)
	}
}

// request puts an HTTP request into ECS's fields: a host name, or a method and
// what the indicator looked at.
func (d *ecsDocument) request(e *Evidence) {
	method, rest, _ := strings.Cut(e.Value, " ")
	switch agent := e.from.Indicator.Need&detect.CondAgent != 0; {
	case e.Name != "":
		first(&d.url().Domain, e.Name)
		return
	case agent && rest != "" && d.UserAgent == nil:
		d.UserAgent = &ecsAgent{rest}
	case !agent && rest != "":
		first(&d.url().Path, rest)
	}
	if method != "" && d.HTTP == nil {
		d.HTTP = &ecsHTTP{ecsRequest{method}}
	}
}

// first keeps what came first.
func first(dst *string, s string) {
	if *dst == "" {
		*dst = s
	}
}

func (d *ecsDocument) tls() *ecsTLS {
	if d.TLS == nil {
		d.TLS = new(ecsTLS)
	}
	return d.TLS
}

func (d *ecsDocument) url() *ecsURL {
	if d.URL == nil {
		d.URL = new(ecsURL)
	}
	return d.URL
}

// ipVersion is ipv4 or ipv6.
func ipVersion(addr string) string {
	if strings.Contains(addr, ":") {
		return "ipv6"
	}
	return "ipv4"
}

func ecsOwnOf(v *View) ecsOwn {
	o := ecsOwn{
		Tool: ecsTool{Class: v.Class, ID: v.Tool, LOLRMM: v.LOLRMM, Name: v.Name, Vendor: v.Vendor}, State: v.State, Kind: v.Kind, Confidence: v.Confidence,
		Sessions: v.Sessions, Verdict: v.Verdict, Reason: v.Reason, News: v.News, OtherTools: v.OtherTools,
		Severity: v.Severity, Inbound: v.Inbound, Peer: v.Peer, Flows: v.Flows, Indicators: v.Indicators, Roles: v.Roles, Tenants: v.Tenants,
		Advisories: v.Advisories, Guidance: v.Guidance, Tunnel: v.Tunnel, Capture: ecsCapture{v.File, long(v.Packet)}, Unkept: long(v.Unkept),
	}
	for _, l := range v.Lookalikes {
		o.Lookalikes = append(o.Lookalikes, ecsLookalike(l))
	}
	if v.Flows > 0 {
		o.Bytes = &ecsBytes{Down: long(v.Down), Up: long(v.Up)}
	}
	for i := range v.Evidence {
		e := &v.Evidence[i]
		o.Evidence = append(o.Evidence, ecsEvidence{
			Kind: e.Kind, Indicator: e.Indicator, Role: e.Role, Confidence: e.Confidence, Value: e.Value, Tenant: e.Tenant, Count: long(e.Count),
			First: e.First, Last: e.Last, Capture: ecsCapture{e.File, long(e.Packet)}, LastPacket: long(e.LastPacket), CommunityID: e.CommunityID,
			Peer: e.Peer, Tunnel: e.Tunnel,
		})
	}
	return o
}
