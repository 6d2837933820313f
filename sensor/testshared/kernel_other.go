//go:build !linux

package testshared

import "testing"

// KernelFilters does nothing: only Linux has them.
func KernelFilters(testing.TB) {}

// FiltersHang is false: only Linux has them.
func FiltersHang() bool { return false }
