//go:build !unix

package rulepack

import (
	"errors"
	"os"
)

// lock refuses: there is no symbolic link here that one rename replaces.
func lock(*os.File) error {
	return errors.New("packs can be installed on Unix systems only, since the rules are switched by replacing a symbolic link; unpack the verified pack into a new folder, and name that in the configuration")
}
