// Package enrich tells where an address is: its country, and the autonomous
// system (AS) that announces it, from databases in the MaxMind DB format that
// the operator has. The assembly opens one DB and gives each worker, and the
// collector, a Reader of its own; cmd asks the DB to read files that were
// replaced. A database is a hostile input like any other: what is damaged is
// refused when it is opened, or counted, and never ends the process. The package
// must never ask the network, nor decide what a place means.
package enrich
