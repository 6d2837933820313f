// Package lolrmm exchanges rules with the LOLRMM catalogue: a YAML file for
// each tool, of which the network artifacts matter here. It knows the shape of
// such a file and nothing of what a name is worth: intel judges that.
package lolrmm
