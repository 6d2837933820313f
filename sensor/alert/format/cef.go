package format

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
)

// CEF writes alerts as lines of ArcSight's Common Event Format, version 0
// (CEF Implementation Standard 27). It is not safe for concurrent use.
type CEF struct {
	buf   []byte
	files Files
}

// NewCEF returns a writer of CEF lines.
func NewCEF(files Files) *CEF { return &CEF{files: files} }

// Lengths of what CEF's dictionary limits, in characters.
const (
	cefName   = 512
	cefID     = 1023
	cefText   = 1023
	cefCustom = 4000
	cefApp    = 31
)

// Line returns the alert as one line.
func (w *CEF) Line(a *alert.Alert) []byte {
	v := newView(a, w.files)
	w.buf = append(w.buf[:0], "CEF:0|"+product+"|"+product+"|"+revision+"|"...)
	for _, s := range []string{cut(edges(v.Tool), cefID), cut(edges(v.headline), cefName)} {
		w.buf = append(append(w.buf, cefHeader.Replace(s)...), '|')
	}
	w.buf = append(strconv.AppendUint(w.buf, severity10(v.Level), 10), '|')
	w.str("externalId", v.ID, 40)
	w.str("cat", v.Kind, cefText)
	w.str("act", v.State, 63)
	w.str("app", v.Protocol, cefApp)
	w.str("reason", v.Verdict, cefText)
	w.int("rt", v.Time.UnixMilli())
	w.int("start", v.First.UnixMilli())
	w.int("end", v.Last.UnixMilli())
	w.endpoints(v)
	w.traffic(v)
	w.names(v)
	w.str("fname", v.File, cefText)
	w.str("msg", v.Summary, cefText)
	w.custom("cs1", "confidence", v.Confidence)
	w.custom("cs2", "indicators", strings.Join(v.Indicators, ", "))
	w.custom("cs3", "tenants", strings.Join(v.Tenants, ", "))
	w.custom("cs4", "ATT&CK techniques", strings.Join(techniqueIDs(v), ", "))
	w.custom("cs5", "evidence", strings.Join(evidenceTexts(v), "; "))
	w.custom("cs6", "guidance", v.Guidance)
	w.custom("flexString1", "host", v.Host)
	w.custom("flexString2", "tunnel", v.Tunnel)
	w.buf[len(w.buf)-1] = '\n' // where a space follows the last pair
	return w.buf
}

// endpoints adds both sides: CEF 0 has IPv4 in src and dst, and IPv6 in custom
// fields.
func (w *CEF) endpoints(v *View) {
	for _, side := range []struct {
		addr             string
		port             uint16
		v4, v6, label, p string
	}{
		{v.Client, v.ClientPort, "src", "c6a1", "Source IPv6 Address", "spt"},
		{v.Server, v.ServerPort, "dst", "c6a3", "Destination IPv6 Address", "dpt"},
	} {
		if addr, err := netip.ParseAddr(side.addr); err == nil && addr.Is4() {
			w.str(side.v4, side.addr, cefText)
		} else {
			w.str(side.v6, side.addr, cefText)
			w.str(side.v6+"Label", side.label, cefText)
		}
		w.int(side.p, int64(side.port))
	}
	w.str("proto", strings.ToUpper(v.Transport), 31)
	if v.Direction != "internal" {
		w.int("deviceDirection", map[string]int64{"inbound": 0, "outbound": 1}[v.Direction])
	}
}

// names adds those of both sides: what the host calls itself, and what the best
// evidence calls the server.
func (w *CEF) names(v *View) {
	server := peerName(v)
	if v.Client == v.Host {
		w.str("shost", v.HostName, cefText)
	} else if server == "" {
		server = v.HostName
	}
	w.str("dhost", server, cefText)
}

// traffic adds how much: the dictionary's bytesIn and bytesOut are 32 bits
// wide, so that exact numbers stand in custom fields of 64.
func (w *CEF) traffic(v *View) {
	w.int("cnt", min(sightings(v), math.MaxInt32))
	if v.Flows == 0 {
		return
	}
	toServer, toClient := v.toServer()
	w.int("out", min(long(toServer), math.MaxInt32))
	w.int("in", min(long(toClient), math.MaxInt32))
	for _, n := range []struct {
		key, label string
		n          int64
	}{{"cn1", "bytes from host", long(v.Up)}, {"cn2", "bytes to host", long(v.Down)}, {"cn3", "flows", int64(v.Flows)}} {
		w.int(n.key, n.n)
		w.str(n.key+"Label", n.label, cefText)
	}
}

// custom adds a custom string with its label.
func (w *CEF) custom(key, label, value string) {
	limit := cefCustom
	if strings.HasPrefix(key, "flex") {
		limit = cefText
	}
	if value != "" {
		w.str(key, value, limit)
		w.str(key+"Label", label, 128)
	}
}

// str adds a pair; nothing where the value is empty.
func (w *CEF) str(key, value string, limit int) {
	if value != "" {
		w.buf = append(append(w.buf, key...), '=')
		w.buf = append(append(w.buf, cefValue.Replace(cut(edges(value), limit))...), ' ')
	}
}

func (w *CEF) int(key string, n int64) {
	w.buf = append(append(w.buf, key...), '=')
	w.buf = append(strconv.AppendInt(w.buf, n, 10), ' ')
}

// What CEF escapes: bars in the header, equals signs in values, backslashes
// in both. Line ends do not occur in a View; should one, it is escaped as the
// standard says, and in the header, which has no escape for it, blanked.
var (
	cefHeader = strings.NewReplacer(`\`, `\\`, `|`, `\|`, "\n", " ", "\r", " ")
	cefValue  = strings.NewReplacer(`\`, `\\`, `=`, `\=`, "\n", `\n`, "\r", `\r`)
)

// severity10 is the level on the scale of CEF and LEEF, on which 1 to 3 are
// low, 4 to 6 medium, 7 and 8 high.
func severity10(level int) uint64 { return []uint64{0, 3, 6, 8}[level] }

// long is n as the 64-bit signed integer that SIEMs store.
func long(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// sightings counts all that the alert stands on.
func sightings(v *View) int64 {
	n := v.Unkept
	for i := range v.Evidence {
		if n+v.Evidence[i].Count < n {
			return math.MaxInt64
		}
		n += v.Evidence[i].Count
	}
	return long(n)
}

// peerName is the host name that the best evidence shows.
func peerName(v *View) string { return v.Evidence[v.best].Name }

func techniqueIDs(v *View) (ids []string) {
	for i := range v.Techniques {
		ids = append(ids, v.Techniques[i].ID)
	}
	return ids
}

// evidenceTexts says each piece of evidence in words.
func evidenceTexts(v *View) (list []string) {
	for i := range v.Evidence {
		e := &v.Evidence[i]
		list = append(list, fmt.Sprintf("%s %s (%s, packet %d, with %s)", e.Label, e.Value, e.Indicator, e.Packet, e.Peer))
	}
	if v.Unkept > 0 {
		list = append(list, count(v.Unkept, "further sighting")+" not kept")
	}
	return list
}
