// Package rulepack puts a set of rule files into one signed file, and takes such
// a file in: it checks the signature, the archive and the rules, and installs
// them so that a reader finds the old set or the new one, and never a mixture. The
// rules subcommands call it; the sensor only reads what it installed, as any
// folder of rules. It must never unpack a byte before the signature over all
// bytes holds, and knows no clock and no chance: the same rules make the same
// pack.
package rulepack
