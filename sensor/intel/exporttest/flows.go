package exporttest

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/applayer/magic"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// FlowHits are the indicators that the request or the payloads of f satisfy, as
// Hits has them.
func FlowHits(rs *detect.Ruleset, f Flow) (out []string) {
	proto, port, _ := strings.Cut(f.Port, "/")
	number, _ := strconv.Atoi(port)
	if proto == "" && len(f.Payload) > 0 {
		proto = f.Payload[0].Proto
	}
	held := make(map[*detect.Indicator]*detect.Held)
	for _, m := range messages(rs, f) {
		m.ServerPort, m.Proto = uint16(number), 6
		if proto == "udp" {
			m.Proto = 17
		}
		for _, h := range rs.Match(&m, nil) {
			if held[h.Indicator] == nil {
				held[h.Indicator] = new(detect.Held)
			}
			h.Join(held[h.Indicator])
			if id := h.Indicator.Tool.ID + "/" + h.Indicator.ID; h.Complete() && h.Indicator.Role != "marketing" && !slices.Contains(out, id) {
				out = append(out, id)
			}
		}
	}
	return out
}

func messages(rs *detect.Ruleset, f Flow) (out []detect.Fields) {
	h := f.HTTP
	if h != (Flow{}).HTTP {
		r := detect.Fields{Kind: detect.KindHTTP, Method: []byte(h.Method), Host: []byte(h.Host), Path: []byte(h.Path), Agent: []byte(h.Agent)}
		if h.Host != "" {
			r.Names = [][]byte{r.Host}
		}
		out = append(out, r)
	}
	for i, p := range f.Payload {
		m := magic.Message{Proto: 6, From: magic.FromClient, Head: []byte(p.Text), First: true}
		if p.Hex != "" {
			m.Head, _ = hex.DecodeString(strings.Join(strings.Fields(p.Hex), "")) // the loader passed it
		}
		if p.Proto == "udp" {
			m.Proto = 17
		}
		if p.From == "server" {
			m.From = magic.FromServer
		}
		for _, earlier := range f.Payload[:i] {
			m.First = m.First && earlier.From == p.From
		}
		m.Size = uint32(max(p.Size, len(m.Head)))
		hits, _ := rs.Magic().Match(&m, nil)
		out = append(out, detect.Fields{Kind: detect.KindPayload, Payload: hits})
	}
	return out
}

// JudgeFlows holds the rules that came back against the requests and payloads
// of the rules' own tests, as Judge does with names.
func (tr *Trip) JudgeFlows(t *testing.T, rs *detect.Ruleset, e *intel.Export, blind bool) {
	t.Helper()
	said := Said(e)
	hits, wrong := 0, 0
	for _, f := range Flows(t) {
		if f.HTTP.Upgrade != "" || f.HTTP.WebSocket != "" || f.Name != "" {
			continue
		}
		ours, theirs := Tools(FlowHits(rs, f)), Tools(FlowHits(tr.Rules, f))
		if f.Match && said[f.Tool+"/"+f.Indicator] && slices.Contains(ours, f.Tool) {
			hits++
			if !slices.Contains(theirs, f.Tool) && !(blind && theirs != nil) {
				wrong++
				t.Errorf("%+v: what came back finds %v", f, theirs)
			}
		}
		if !f.Match && f.Indicator == "" && slices.Contains(theirs, f.Tool) {
			wrong++
			t.Errorf("%+v: what came back finds it", f)
		}
		if wrong > 20 {
			t.Fatal("and so on")
		}
	}
	t.Logf("%d flows", hits)
}
