// Package list exchanges rules as plain lists of names, one a line, and as CSV.
// It knows how such lists are commonly written and nothing of what a name is
// worth: intel judges that.
package list
