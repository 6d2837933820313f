// Package intel exchanges rules with other tools. Going in, the packages below
// it read one foreign format each and say what stands there as a list of
// Entry; Build judges the entries, writes rule files from those that pass the
// same gate as rules written by hand, and accounts for every one of them. Going
// out, the same packages write a rule set in their format. The import and
// export subcommands call it. It must never lose an entry without a word,
// trust a name, address or text of a source, or read a clock: the same source
// gives the same files.
package intel
