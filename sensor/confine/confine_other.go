//go:build !linux

package confine

// Drop takes nothing away: there is no way here that we know to hold. The
// Report says so.
func Drop(Policy) (Report, error) {
	return Report{Missing: []string{"the process keeps its rights: confinement needs Linux"}}, nil
}
