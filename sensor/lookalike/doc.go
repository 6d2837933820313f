// Package lookalike finds names that imitate a brand: names that a person
// takes for the vendor's and that belong to somebody else. detect makes a
// Matcher of the brands and owned domains of all rules and asks it about every
// name that the worker sees. Nearly all names are none, and such a name costs a
// fraction of a microsecond and no memory. It knows words and domains, no
// rules and no packets; it keeps no state between names, never asks a server
// whether a name exists, and decides nothing about what is done with a finding.
package lookalike
