package sensor_test

import (
	"strings"
	"testing"
)

// The recorded sessions are seen in the alert of their tool: who was driven, when
// and how much. The stretches are those that the recording's script was at work; docs/sessions.md
// has them.
func TestDriven(t *testing.T) {
	for capture, want := range map[string]string{
		"vnc-session.pcap":         "vnc 64 peer",
		"rdp-session.pcap":         "rdp 64 peer",
		"meshcentral-session.pcap": "meshcentral 70 host",
		"meshcentral-clear.pcap":   "",
		"vnc.pcap":                 "",
		"anydesk-synthetic.pcap":   "",
	} {
		var got []string
		for _, a := range replay(t, "../pcaps/"+capture).alerts {
			for i := range a.Sessions {
				s := &a.Sessions[i]
				text := a.SessionText(s)
				_, seconds, _ := strings.Cut(text, "seconds=")
				seconds, _, _ = strings.Cut(seconds, " ")
				got = append(got, a.Tool.ID+" "+seconds+" "+a.Driven(s))
				if s.Open || s.Up == 0 || s.Down == 0 {
					t.Errorf("%s: %s", capture, text)
				}
			}
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%s: %q, want %q", capture, s, want)
		}
	}
}
