// Package rpz writes rules as a DNS response policy zone, with which a resolver
// denies the names of remote-access tools. There is no import: a policy says
// what somebody blocks, not what it is. The export subcommand calls it.
package rpz
