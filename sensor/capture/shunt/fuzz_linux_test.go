package shunt

import "testing"

// Any bytes: the program and the model agree on verdict, flow and counts.
func FuzzVerdict(f *testing.F) {
	s := open(f, Config{Flows: 16})
	before := make([]Key, len(named))
	for i, c := range named {
		f.Add(build(f, c.spec), uint8(i))
		before[i] = key(c.spec)
	}
	f.Fuzz(func(t *testing.T, frame []byte, flow uint8) {
		if len(frame) == 0 || len(frame) > 1500 { // what BPF_PROG_TEST_RUN takes for sure
			return
		}
		agree(t, s, frame, before[int(flow)%len(before)])
	})
}
