// Package detect turns rule files into an immutable Ruleset and tells which
// indicators the fields of a flow match. The worker fills a Fields from what
// the parsers found, calls Ruleset.Match and keeps partial hits per flow until
// they are complete; the rules subcommands load, test and list. Loading is
// strict and gated: every problem of every file is reported with its line and
// column, every indicator is proven by a test in its own file, and a set with
// one problem is no set at all. Match allocates nothing and costs the same
// with a hundred thousand domain patterns as with a hundred. The package must
// never interpret wire bytes itself (it sees fields, not packets), keep state
// between calls, or decide whether a tool is allowed: that is policy's work.
package detect
