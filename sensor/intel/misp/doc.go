// Package misp exchanges rules as MISP events in JSON. It knows the types of
// attributes and nothing of what a name is worth: intel judges that.
package misp
