// Package stix exchanges rules as STIX 2.1 bundles: indicators, whose patterns
// say what to look for, and the tools that they point to. It knows the pattern
// language and nothing of what a name is worth: intel judges that.
package stix
