package intel

import (
	"fmt"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// Entry is one thing that a source says: a name, an address, a signature, or
// that there is nothing to be had from one of its files. Every text in it is
// the source's own and may hold anything.
type Entry struct {
	Text string // as it stands in the source, for the report
	File string // the file's path
	Line int    // 1-based
	Tool Tool   // whose it is, as far as the source says

	// Match is what to look for. Only the matchers count (Domain, Payload, Port,
	// TLS, HTTP, IP); several must all hold. Domains are patterns as in a rule
	// file; use Name to make them.
	Match      detect.Indicator
	Role       string            // empty: not said
	Confidence detect.Confidence // 0: not said
	Source     string            // where it is from, for the rule file; empty: the file's name
	Note       string            // what was changed on the way in

	// Reason is why nothing can be made of the entry, empty if something can;
	// Detail says more.
	Reason Reason
	Detail string
}

// Tool is what a source says about a tool.
type Tool struct {
	ID     string // made an identifier by Build
	Name   string
	Vendor string
	Class  string // one of detect.Classes, or empty
	LOLRMM string // its id in the LOLRMM catalogue
	Attack []string
	Site   string // the host of the vendor's website
}

// Reason is why an entry was quarantined.
type Reason string

// The reasons, in the words of the report.
const (
	Junk          Reason = "junk"           // placeholders, slips of the pen, dead names
	Shared        Reason = "shared host"    // many people's, or much more than the tool
	NotObservable Reason = "not observable" // nothing of it shows on the network
	Syntax        Reason = "syntax"         // not what it should be
	Unsupported   Reason = "unsupported"    // a rule file cannot say it
	WrongOwner    Reason = "wrong owner"    // another tool's
	Attacker      Reason = "attacker"       // an intruder's, not the tool's
	Withdrawn     Reason = "withdrawn"      // its own author switched it off
	Gate          Reason = "gate"           // the rule gate refused it
)

// Quarantine returns e as one that nothing is made of.
func (e Entry) Quarantine(r Reason, format string, args ...any) Entry {
	e.Match = detect.Indicator{}
	e.Reason, e.Detail = r, fmt.Sprintf(format, args...)
	return e
}

// Broken is the entry for a file that cannot be read as what it should be. A
// file that says nothing gets one, too.
func Broken(file string, line int, format string, args ...any) Entry {
	return Entry{Text: "(the whole file)", File: file, Line: max(line, 1)}.Quarantine(Syntax, format, args...)
}

// Except makes entries of names that a wider pattern of e must not speak of.
// Rule files say that by naming them as what they are: no sign of the tool. The
// role is marketing, which never alerts.
func (e Entry) Except(names []string) (out []Entry) {
	for _, n := range names {
		x := Entry{Text: "except " + n, File: e.File, Line: e.Line, Tool: e.Tool, Source: e.Source, Role: "marketing", Confidence: detect.Low}
		out = append(out, x.AsName(n, false))
	}
	return out
}
