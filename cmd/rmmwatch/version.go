package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker in a release; else the build information tells.
var version = ""

func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of rmmwatch and of its rules",
		Args:  wantArgs(cobra.NoArgs, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			rs, err := loadRules([]string{embedded})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.stdout, "rmmwatch %s, %s %s/%s\nrules %s: %d tools\n",
				buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH, rs.Version(), len(rs.Tools()))
			return err
		},
	}
}
