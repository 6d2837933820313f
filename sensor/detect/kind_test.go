package detect

import "testing"

func TestAlias(t *testing.T) {
	for _, c := range []struct{ asked, name, text string }{
		{"a.example", "b.example", "a.example -> b.example"},
		{"", "b.example", "b.example"},
		{"b.example", "b.example", "b.example"},
	} {
		if got := Aliased(c.asked, c.name); got != c.text {
			t.Errorf("%q", got)
		}
		asked, name := SplitAlias(c.text)
		if name != c.name || asked != "" && asked != c.asked {
			t.Errorf("%q: %q and %q", c.text, asked, name)
		}
	}
}

func TestWeaker(t *testing.T) {
	in := &Indicator{ID: "relay", Confidence: High}
	w := in.Weaker()
	if w.Confidence != Medium || w.ID != "relay" || in.Confidence != High {
		t.Errorf("%v of %v", w, in)
	}
	if w = w.Weaker().Weaker(); w != nil {
		t.Errorf("less than low: %v", w)
	}
}
