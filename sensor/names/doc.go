// Package names remembers which names DNS gave addresses for: what a client
// was told about a server names the flows to it that show no name of their
// own. The worker that reads a DNS answer calls Learn, any worker that has such a flow
// calls Lookup: without a lock, without an allocation, in a memory of fixed
// size, by packet time. It knows no rules and no flows: the caller learns only answers
// that its rules know, and decides what a name means.
package names
