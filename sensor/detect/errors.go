package detect

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// RuleError is one problem of one rule file.
type RuleError struct {
	File      string
	Line, Col int    // 1-based; 0 when the problem belongs to the whole file
	Msg       string // what was wrong
	Hint      string // what was expected, or what to do; may be empty
}

// Where is file:line:column, or the file alone.
func (e RuleError) Where() string {
	if e.Line == 0 {
		return e.File
	}
	return fmt.Sprintf("%s:%d:%d", e.File, e.Line, max(e.Col, 1))
}

// Error formats e as file:line:column: message; hint.
func (e RuleError) Error() string {
	s := e.Where() + ": " + e.Msg
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// RuleErrors is every problem found in a set of rule files, in the order of
// the files and of the lines within each.
type RuleErrors []RuleError

// Error has one problem a line.
func (es RuleErrors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap is the problems one by one.
func (es RuleErrors) Unwrap() []error {
	errs := make([]error, len(es))
	for i := range es {
		errs[i] = es[i]
	}
	return errs
}

// err is es as an error that is nil when there is nothing to report.
func (es RuleErrors) err() error {
	if len(es) == 0 {
		return nil
	}
	return es
}

// SourceError says that there are no rule files where they were looked for.
type SourceError struct {
	Name string // the path, as it was given
	Err  error  // why
}

// Error names the place and the reason.
func (e *SourceError) Error() string {
	reason := e.Err.Error()
	if path := new(fs.PathError); errors.As(e.Err, &path) && path.Path == e.Name {
		reason = path.Err.Error() // the path is said already
	}
	return "rules: " + e.Name + ": " + reason
}

// Unwrap returns the reason, for errors.Is and errors.As.
func (e *SourceError) Unwrap() error { return e.Err }

// maxWord is the longest word that a suggestion is looked for: identifiers
// have at most 64 bytes.
const maxWord = 64

// closest returns the candidate that got was probably meant to be, or "".
func closest(got string, candidates []string) string {
	if len(got) > maxWord {
		return ""
	}
	best, limit := "", max(1, len(got)/3)+1
	for _, c := range candidates {
		if d := distance(got, c); d < limit {
			best, limit = c, d
		}
	}
	return best
}

// distance is the number of single-byte edits between a and b; a swap of
// neighbours, the commonest slip of the fingers, counts as one.
func distance(a, b string) int {
	if len(a) > maxWord || len(b) > maxWord {
		return maxWord
	}
	var rows [3][maxWord + 1]int
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur, prev, old := &rows[i%3], &rows[(i+2)%3], &rows[(i+1)%3]
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			d := prev[j-1]
			if a[i-1] != b[j-1] {
				d = 1 + min(d, prev[j], cur[j-1])
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, old[j-2]+1)
			}
			cur[j] = d
		}
	}
	return rows[len(a)%3][len(b)]
}
