// Package ledger remembers which host used which tool: since when, on how many
// days, with which tenants and relays, how much, and how that was judged. From it
// comes what only a memory can tell: a tool that is new on a host or in the
// network, a second tool on a host, one that comes back after a long silence. The
// alert collector tells it each use, in packet order, on its one goroutine;
// rmmwatch hosts and policy suggest read it beside a running sensor.
//
// All of it is in memory, bounded, and what changed goes to a bbolt file in one
// transaction at each Flush. The file is open only for that moment: other
// processes can read it in between, each time the state of one flush. A lock file
// keeps a second writer away. Packet time is the only clock, and the same uses
// after the same state give the same news. The ledger decides nothing about what
// is allowed, sees no packet, and never deletes a file that it cannot read.
package ledger
