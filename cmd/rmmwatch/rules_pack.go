package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/rmmwatch/rmmwatch/rules"
	"github.com/rmmwatch/rmmwatch/sensor/rulepack"
)

// packFlags are what `rules pack` is told beside its arguments.
type packFlags struct {
	out, name, key, passwordFile, passwordEnv word
	sequence                                  uint64
}

func (a *app) rulesPack() *cobra.Command {
	var f packFlags
	cmd := &cobra.Command{
		Use:   "pack PATH... --name NAME --sequence N --out FILE.tar.gz",
		Short: "Put rule files into one file that can be signed",
		Long: `Pack loads and tests the rule files of all paths as one set and writes them into one
archive with a manifest. The same rules, name and number give the same bytes on every
machine, so that anybody can make the pack again and compare. A set with a mistake
makes no pack. Each pack of a name needs a higher number than the one before.

With --key it is signed, into FILE.tar.gz.minisig beside it. Without, sign it by
minisign -Sm FILE.tar.gz. An encrypted key's password is read from a file, from the
environment, or from the terminal.`,
		Example: `  rmmwatch rules pack my-rules/ --name corp --sequence 7 --out corp-7.tar.gz --key minisign.key
  rmmwatch rules pack embedded my-rules/ --name corp --sequence 8 --out corp-8.tar.gz`,
		Args: wantArgs(cobra.MinimumNArgs(1), "rule files, folders or \"embedded\""),
		RunE: func(cmd *cobra.Command, args []string) error { return a.packRules(cmd.Context(), args, &f) },
	}
	flags := cmd.Flags()
	flags.Var(&f.out, "out", "write the pack to this .tar.gz file (required)")
	flags.Var(&f.name, "name", "name of the line of packs: lower-case letters, digits and hyphens (required)")
	flags.Uint64Var(&f.sequence, "sequence", 0, "number of this pack, higher than any before (required)")
	flags.Var(&f.key, "key", "sign with this secret key file of minisign's")
	flags.Var(&f.passwordFile, "password-file", "file with the key's password in its first line")
	flags.Var(&f.passwordEnv, "password-env", "environment variable with the key's password")
	return cmd
}

func (f *packFlags) check() error {
	switch {
	case f.out == "":
		return usagef("--out is missing; name a file for the pack, such as %s-%d.tar.gz", f.name, f.sequence)
	case !strings.HasSuffix(string(f.out), ".tar.gz"):
		return usagef("--out %q: a pack is a .tar.gz file", f.out)
	case f.passwordFile != "" && f.passwordEnv != "":
		return usagef("--password-file and --password-env are both given; one password will do")
	case f.key == "" && (f.passwordFile != "" || f.passwordEnv != ""):
		return usagef("a password is given, and no --key to sign with")
	}
	if err := errors.Join(rulepack.CheckName(string(f.name)), rulepack.CheckSequence(f.sequence)); err != nil {
		return usagef("--name and --sequence: %w", err)
	}
	return nil
}

func (a *app) packRules(ctx context.Context, paths []string, f *packFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	var secret []byte
	if f.key != "" { // before the work: a wrong path is soon told
		var err error
		if secret, err = readAtMost(string(f.key), maxKeyFile); err != nil {
			return usageError{err}
		}
	}
	rs, err := loadRules(paths)
	if err != nil {
		return err
	}
	var files []rulepack.File
	for _, t := range rs.Tools() {
		data, err := ruleFile(t.File)
		if err != nil {
			return err
		}
		files = append(files, rulepack.File{Name: t.File, Data: data})
	}
	p, err := rulepack.Build(string(f.name), f.sequence, files)
	if err != nil {
		return err
	}
	raw, err := p.Archive()
	if err != nil {
		return err
	}
	if f.key == "" {
		if err := replaceFile(string(f.out), raw); err != nil {
			return err
		}
		fmt.Fprintf(a.stderr, "not signed yet: minisign -Sm %s\n", string(f.out))
		return a.packed(p, raw, f, "not signed")
	}
	signature, key, err := rulepack.Sign(p, raw, secret, func() (string, error) { return a.password(ctx, f) })
	if err != nil {
		return fmt.Errorf("--key %s: %w", f.key, err)
	}
	if err := errors.Join(replaceFile(string(f.out), raw), replaceFile(string(f.out)+signatureEnding, signature)); err != nil {
		return err
	}
	return a.packed(p, raw, f, "signed with key "+key.ID())
}

// packed tells what was made.
func (a *app) packed(p *rulepack.Pack, raw []byte, f *packFlags, signed string) error {
	_, err := fmt.Fprintf(a.stdout, "%s: %s, rule set %s, %s in %s, %s\n", packName(p), count(len(p.Files), "tool"), p.Manifest.Rules, count(len(raw), "byte"), string(f.out), signed)
	return err
}

// packName is a pack in words.
func packName(p *rulepack.Pack) string {
	return fmt.Sprintf("pack %s, sequence %d", p.Manifest.Name, p.Manifest.Sequence)
}

// signatureEnding is what minisign adds to the name of what it signs.
const signatureEnding = ".minisig"

// Bytes of a key file (some 300), and of a password file.
const maxKeyFile, maxPasswordFile = 16 << 10, 4 << 10

// ruleFile reads a rule file again, by the name that the rules give it.
func ruleFile(name string) ([]byte, error) {
	if inside, ok := strings.CutPrefix(name, embedded+":"); ok {
		return fs.ReadFile(rules.FS, inside)
	}
	return os.ReadFile(name)
}

// readAtMost reads a file of at most limit bytes.
func readAtMost(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("%s has more than %d bytes; is it the right file?", path, limit)
	}
	return raw, err
}

// password is that of an encrypted key. No error shows it.
func (a *app) password(ctx context.Context, f *packFlags) (string, error) {
	switch {
	case f.passwordFile != "":
		raw, err := readAtMost(string(f.passwordFile), maxPasswordFile)
		line, _, _ := strings.Cut(string(raw), "\n")
		if line = strings.TrimSuffix(line, "\r"); err == nil && line == "" {
			err = fmt.Errorf("the first line of %s is empty", f.passwordFile)
		}
		return line, err
	case f.passwordEnv != "":
		value := os.Getenv(string(f.passwordEnv))
		if value == "" {
			return "", usagef("the environment has no %s, or an empty one", f.passwordEnv)
		}
		return value, nil
	}
	in, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", usagef("the key is encrypted, and there is no terminal to ask for its password; use --password-file or --password-env")
	}
	fmt.Fprintf(a.stderr, "password of the key: ")
	defer fmt.Fprintln(a.stderr)
	return readPassword(ctx, int(in.Fd()))
}

// readPassword reads a line from a terminal without showing it, until ctx is done.
func readPassword(ctx context.Context, fd int) (string, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	type answer struct {
		text []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() { // at an interrupt it stays behind, as the read cannot be ended, and the program ends
		text, err := term.ReadPassword(fd)
		answers <- answer{text, err}
	}()
	select {
	case got := <-answers:
		return string(got.text), got.err
	case <-ctx.Done():
		return "", errors.Join(errors.New("interrupted"), term.Restore(fd, before))
	}
}
