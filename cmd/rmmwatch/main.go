// Command rmmwatch finds remote monitoring and management tools in captures of
// network traffic. See the README for its use.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
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

// usageError is a mistake in how the program was called.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// statusError carries an exit status that is no failure to be reported.
type statusError int

func (s statusError) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

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
		fmt.Fprintf(a.stderr, "rmmwatch: %v\n", err)
		return exitUsage
	case strings.HasPrefix(err.Error(), "unknown command"):
		fmt.Fprintf(a.stderr, "rmmwatch: %v; see rmmwatch --help\n", firstLine(err))
		return exitUsage
	}
	fmt.Fprintf(a.stderr, "rmmwatch: %v\n", err)
	return exitFailed
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
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
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w; see %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(a.replayCommand(), a.rulesCommand(), a.versionCommand())
	return root
}

// wantArgs makes a mistake in the number of arguments a usage error.
func wantArgs(check cobra.PositionalArgs, want string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usagef("%s takes %s, not %d arguments; see %s --help", cmd.CommandPath(), want, len(args), cmd.CommandPath())
		}
		return nil
	}
}
