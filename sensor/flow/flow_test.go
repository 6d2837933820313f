package flow

import (
	"testing"
	"unsafe"
)

// Two cache lines a flow: the budget of 200,000 flows and the overlapped
// misses of Warm both count on it.
func TestFlowIsTwoCacheLines(t *testing.T) {
	if n := unsafe.Sizeof(Flow{}); n != 128 {
		t.Errorf("a Flow takes %d bytes, want 128", n)
	}
}
