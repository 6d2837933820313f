// Package zeek exchanges rules with Zeek's intelligence framework: tables of
// indicators, one a line. It knows the table and nothing of what a name is
// worth: intel judges that.
package zeek
