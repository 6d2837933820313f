// Package policy knows which remote access is sanctioned: where, for whom, at
// what hours, until when. The configuration makes entries, Compile makes a
// Policy of them and of the rules' tools, and the collector asks Decide about
// each use of a tool, anew when more is known of it; the policy subcommands
// call Explain and Check. A Policy is immutable, Decide is pure, and the time of
// a use is packet time. docs/policy.md has the semantics, case by case. The
// package must never read a clock, remember a use, or decide what is told to
// whom.
package policy
