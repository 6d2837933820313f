// Command rmmwatch finds remote monitoring and management tools in captures of
// network traffic. See the README for its use.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit statuses: a contract that scripts rely on.
const (
	exitOK     = 0
	exitFailed = 1 // the work could not be done, or not to the end
	exitUsage  = 2 // wrong flags, arguments or configuration
	exitAlerts = 3 // with --exit-code: there are alerts
)

// app is what the commands have from the outside world, so that a test can run
// them twice in one process.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	os.Exit(a.run(ctx, os.Args[1:]))
}

// run runs one command and returns the exit status.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var usage usageError
	var status statusError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &usage):
		tell(a.stderr, err)
		return exitUsage
	}
	tell(a.stderr, err)
	return exitFailed
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "rmmwatch",
		Short: "Find remote-access tools in network traffic",
		Long: `rmmwatch finds remote monitoring and management (RMM) and remote-access tools
in captures of network traffic, by rules that it brings along.`,
		Example: `  rmmwatch replay incident.pcapng
  rmmwatch rules list`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          subcommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w; see %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(a.replayCommand(), a.watchCommand(), a.doctorCommand(), a.outputsCommand(), a.hostsCommand(), a.rulesCommand(), a.policyCommand(), a.versionCommand())
	root.AddCommand(a.geoipCommand())
	return root
}

// wantArgs makes a wrong number of arguments a usage error, and an empty one:
// in a script, that is a variable that is not set.
func wantArgs(check cobra.PositionalArgs, want string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			given := count(len(args), "argument")
			if len(args) == 0 {
				given = "none"
			}
			return usagef("%s takes %s, but was given %s; see %s --help", cmd.CommandPath(), want, given, cmd.CommandPath())
		}
		if slices.Contains(args, "") {
			return usagef("%s: an argument is empty; see %s --help", cmd.CommandPath(), cmd.CommandPath())
		}
		return nil
	}
}

// subcommand refuses what is none of cmd's subcommands.
func subcommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unknown command %q for %q; see %s --help", args[0], cmd.CommandPath(), cmd.CommandPath())
	}
	return nil
}
