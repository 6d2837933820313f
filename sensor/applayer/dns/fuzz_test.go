package dns

import (
	"testing"

	mdns "github.com/miekg/dns"
)

// FuzzParse holds any message that we call Done against miekg/dns: it must be
// able to read it too, and read the same. (The oracle takes more messages than
// we do, so the reverse does not hold.)
func FuzzParse(f *testing.F) {
	f.Add(benchQuery(f))
	f.Add(benchResponse(f))
	f.Add(response(f))
	f.Fuzz(func(t *testing.T, msg []byte) {
		var m Message
		st := Parse(msg, &m)
		if st != NotDNS && !Plausible(msg) {
			t.Fatalf("status %d without a plausible header", st)
		}
		for i := range m.NumQuestions {
			m.Name(m.Questions[i].Name)
		}
		for i := range m.NumAnswers {
			m.Name(m.Answers[i].Owner)
			m.Name(m.Answers[i].Target)
		}
		if st != Done || len(msg) > 4096 {
			return
		}
		var want mdns.Msg
		if want.Unpack(msg[:len(msg)-m.Trailing]) != nil {
			return
		}
		if diff := compare(t, &m, &want); diff != "" {
			t.Errorf("%s:\n%v", diff, &want)
		}
	})
}

// FuzzTCP splits a stream and demands that messages and rest are its bytes.
func FuzzTCP(f *testing.F) {
	f.Add(append([]byte{0, 68}, benchQuery(f)...))
	f.Fuzz(func(t *testing.T, head []byte) {
		for rest := head; ; {
			msg, next, st := TCP(rest)
			if st != Done {
				return
			}
			if 2+len(msg)+len(next) != len(rest) || !Plausible(msg) {
				t.Fatalf("%d bytes split into %d and %d", len(rest), len(msg), len(next))
			}
			rest = next
		}
	})
}
