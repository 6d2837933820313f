//go:build unix

package main

import (
	"os"
	"syscall"
)

// peak is the most memory that a finished process had resident, in KiB.
func peak(s *os.ProcessState) int64 {
	if r, ok := s.SysUsage().(*syscall.Rusage); ok {
		return int64(r.Maxrss)
	}
	return 0
}
