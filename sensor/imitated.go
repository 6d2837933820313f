package sensor

import (
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/flow"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// imitated passes on as sightings which of the first n names of fields imitate
// a tool. It comes before match, which changes the names to the form to show.
func (w *Worker) imitated(f *flow.Flow, fields *detect.Fields, n int) {
	for i, name := range fields.Names[:n] {
		im, ok := w.rules.Imitation(name, w.harmless)
		if !ok || w.isOurs(name) {
			continue
		}
		if fields.Kind != detect.KindDNS {
			f.Mark |= flow.MarkHit
		}
		w.Stats.Matches++
		s := w.sighting(f, im.Indicator, fields.Kind, nameText(fields.Kind, w.zone.shown(i, name)))
		s.Brand, s.Domain = im.Brand, printable.Text([]byte(im.Domain))
		w.sink.Add(s)
	}
}

// isOurs reports whether a name is below a domain of the network's own: its
// help desk's server is called after the tool, and a resolver's search list puts the
// domain behind any name.
func (w *Worker) isOurs(name []byte) bool {
	text, _, _ := strings.Cut(string(name), ":")
	low := strings.ToLower(strings.TrimSuffix(text, "."))
	for _, d := range w.domains {
		if low == d || strings.HasSuffix(low, "."+d) {
			return true
		}
	}
	return false
}
