package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// usageError is a mistake in how the program was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// statusError carries an exit status that is no failure to be reported.
type statusError int

func (s statusError) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// maxTold bounds the messages that are told at once: the first ones say what is
// wrong, and a screen holds them.
const maxTold = 20

// tell writes err for a person, a message a line, at most 20. This is the one place where
// errors reach the terminal: names of files, flags and keys in them are not
// ours and may hold anything, so nothing but what can be printed passes.
func tell(w io.Writer, err error) {
	list := messages(err)
	for i, m := range list {
		if i == maxTold {
			fmt.Fprintf(w, "and %d more\n", len(list)-maxTold)
			return
		}
		if i == 0 {
			m = "rmmwatch: " + m
		}
		fmt.Fprintln(w, printable.Line(m))
	}
}

// messages are the errors that err lists, or err itself. A line end that is in
// a name does not make two of one.
func messages(err error) []string {
	if u, ok := err.(usageError); ok {
		err = u.error
	}
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		var out []string
		for _, e := range list.Unwrap() {
			out = append(out, messages(e)...)
		}
		if strings.Join(out, "\n") == err.Error() {
			return out
		}
	}
	return []string{err.Error()}
}

// count is n things in words: 1 tool, 2 tools.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
