package testshared

import "testing"

// TestKernelFilters is what .ci/run asks before it starts the live sensor.
func TestKernelFilters(t *testing.T) { KernelFilters(t) }
