package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rmmwatch/rmmwatch/rules"
	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
	"github.com/rmmwatch/rmmwatch/sensor/rulepack"
)

func (a *app) rulesVerify() *cobra.Command {
	var path word
	var texts words
	cmd := &cobra.Command{
		Use:   "verify PACK (--config FILE | --public-key KEY)",
		Short: "Check a pack, its signature and the rules in it",
		Long: `Verify holds the signature PACK.minisig against the keys of the configuration
(packs.keys) or against those given, then checks the archive, loads the rules and runs
their tests. Nothing is installed. It exits with 1 when the pack would not be taken.`,
		Example: "  rmmwatch rules verify corp-7.tar.gz --public-key RWT1C/+DWoP553S7ETvataWUbqPb03jSkI0D7HGoPGSOTEavMPpLAVCM",
		Args:    wantArgs(cobra.ExactArgs(1), "one pack"),
		RunE: func(_ *cobra.Command, args []string) error {
			keys, err := trustedKeys(string(path), texts)
			if err != nil {
				return err
			}
			raw, signature, err := readPack(args[0])
			if err != nil {
				return err
			}
			p, signed, err := rulepack.Open(raw, signature, keys)
			if err != nil {
				return packRefused(args[0], err)
			}
			_, err = fmt.Fprintf(a.stdout, "ok: %s, %s, rule set %s; signed with key %s: %s\n", packName(p), count(len(p.Files), "tool"),
				printable.Line(p.Manifest.Rules), signed.Key.ID(), printable.Line(strings.ReplaceAll(signed.Comment, "\t", " "))) // minisign separates by tabs
			return err
		},
	}
	cmd.Flags().Var(&path, "config", "configuration file with packs.keys")
	cmd.Flags().Var(&texts, "public-key", "minisign public key that begins with RW; may be repeated")
	return cmd
}

// trustedKeys are those of the configuration, or those given.
func trustedKeys(path string, texts []string) (keys []rulepack.Key, err error) {
	if (path == "") == (len(texts) == 0) {
		return nil, usagef("say whom to trust: either --config FILE or --public-key KEY")
	}
	if path != "" {
		cfg, err := packsConfig(path)
		return cfg.Packs.Keys, err
	}
	for _, text := range texts {
		key, err := rulepack.ParseKey(text)
		if err != nil {
			return nil, usagef("--public-key %q: %w", text, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// packRefused is why a pack is not taken, a message a line.
func packRefused(path string, err error) error {
	var lines []error
	for _, m := range messages(err) {
		lines = append(lines, errors.New(m))
	}
	lines[0] = fmt.Errorf("%s: %w", path, lines[0])
	return errors.Join(lines...)
}

// packsConfig reads a configuration that must have packs.
func packsConfig(path string) (config.Config, error) {
	if path == "" {
		return config.Config{}, usagef("--config is missing; packs of the configuration says where packs are installed, and whose")
	}
	cfg, err := config.Load(path)
	if err != nil {
		return cfg, usageError{err}
	}
	if cfg.Packs.Dir == "" {
		return cfg, usagef("%s has no packs: {dir: ..., keys: [...]}; see docs/packs.md", path)
	}
	return cfg, nil
}

// readPack reads a pack and the signature beside it.
func readPack(path string) (raw, signature []byte, err error) {
	if raw, err = readAtMost(path, rulepack.MaxPacked); err != nil {
		return nil, nil, err
	}
	signature, err = readAtMost(path+signatureEnding, rulepack.MaxSignature)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%w; a pack is taken only with its signature beside it", err)
	}
	return raw, signature, err
}

func (a *app) rulesInstall() *cobra.Command {
	var path word
	cmd := &cobra.Command{
		Use:   "install PACK --config FILE",
		Short: "Put the rules of a signed pack in force",
		Long: `Install verifies a pack as rules verify does, loads its rules beside the others of the
configuration, and puts them into packs.dir. The link packs.dir/current leads to
the old rules until all is on the disk, and then to the new ones; name it in rules
of the configuration. A running sensor sees the change within seconds.

A number below the highest that was ever installed there is refused, and so is that
number with other content: an old pack cannot be slipped in again.`,
		Example: "  rmmwatch rules install corp-7.tar.gz --config /etc/rmmwatch/rmmwatch.yaml",
		Args:    wantArgs(cobra.ExactArgs(1), "one pack"),
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := packsConfig(string(path))
			if err != nil {
				return err
			}
			raw, signature, err := readPack(args[0])
			if err != nil {
				return err
			}
			store := packStore(&cfg)
			done, p, signed, err := store.Install(raw, signature)
			if err != nil {
				return packRefused(args[0], err)
			}
			if !done.Changed {
				_, err := fmt.Fprintf(a.stdout, "%s is in force already\n", packName(p))
				return err
			}
			if _, err := fmt.Fprintf(a.stdout, "installed: %s%s, %s, signed with key %s\n", packName(p), instead(done), count(len(p.Files), "tool"), signed.Key.ID()); err != nil {
				return err
			}
			a.tellUnused(&cfg, string(path))
			return nil
		},
	}
	cmd.Flags().Var(&path, "config", "configuration file with packs (required)")
	return cmd
}

func (a *app) rulesRollback() *cobra.Command {
	var path word
	cmd := &cobra.Command{
		Use:   "rollback --config FILE",
		Short: "Put the rules in force that were before the last pack",
		Long: `Rollback leads packs.dir/current to the rules that were in force before. A second
rollback undoes the first. The numbers stay as they are: what was rolled back is not
installed again, nor anything older; the next pack needs a higher number.`,
		Example: "  rmmwatch rules rollback --config /etc/rmmwatch/rmmwatch.yaml",
		Args:    wantArgs(cobra.NoArgs, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			cfg, err := packsConfig(string(path))
			if err != nil {
				return err
			}
			store := packStore(&cfg)
			done, p, err := store.Rollback()
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(a.stdout, "in force: %s%s; the next pack needs a sequence above %d\n", packName(p), instead(done), done.Highest); err != nil {
				return err
			}
			a.tellUnused(&cfg, string(path))
			return nil
		},
	}
	cmd.Flags().Var(&path, "config", "configuration file with packs (required)")
	return cmd
}

// instead says what was in force before.
func instead(done rulepack.Installed) string {
	switch done.Before {
	case 0:
		return ""
	case done.Sequence:
		return " again (its files had been changed)"
	}
	return fmt.Sprintf(" instead of %d", done.Before)
}

// packStore is where the configuration wants packs to be.
func packStore(cfg *config.Config) *rulepack.Store {
	s := &rulepack.Store{Dir: cfg.Packs.Dir, Keys: cfg.Packs.Keys}
	s.Fit = func(p *rulepack.Pack) error { return fitsBeside(p, cfg) }
	return s
}

// fitsBeside loads a pack as the sensor would: beside the other rules of the
// configuration, which may have tools of it too, and with the outputs' filters.
func fitsBeside(p *rulepack.Pack, cfg *config.Config) error {
	if !usesPacks(cfg) {
		return nil
	}
	sources := p.Sources("pack")
	for _, path := range cfg.Rules {
		switch {
		case path == embedded:
			sources = append(sources, detect.FromFS(embedded, rules.FS))
		case !isCurrent(path, cfg):
			sources = append(sources, detect.FromPath(path))
		}
	}
	rs, err := detect.Load(sources...)
	if err == nil {
		err = checkTools(cfg, rs)
	}
	if err != nil {
		why := "a sensor with this configuration would refuse the rules; what was in force stays"
		if slices.Contains(cfg.Rules, embedded) && slices.ContainsFunc(p.Files, isEmbedded) {
			why += "; the pack has embedded tools: take embedded out of rules, or pack without it"
		}
		return errors.Join(errors.New(why), err)
	}
	return nil
}

// isEmbedded reports whether a file of a pack is of a tool that the program
// brings along.
func isEmbedded(f rulepack.File) bool {
	_, err := fs.Stat(rules.FS, "tools/"+f.Name)
	return err == nil
}

// isCurrent reports whether a path of rules is the installed pack's.
func isCurrent(path string, cfg *config.Config) bool {
	current := filepath.Join(cfg.Packs.Dir, "current")
	if filepath.Clean(path) == filepath.Clean(current) {
		return true
	}
	a, err := os.Stat(path)
	if err != nil {
		return false
	}
	b, err := os.Stat(current)
	return err == nil && os.SameFile(a, b)
}

func usesPacks(cfg *config.Config) bool {
	for _, path := range cfg.Rules {
		if isCurrent(path, cfg) {
			return true
		}
	}
	return false
}

// tellUnused warns when what is installed is used by nobody.
func (a *app) tellUnused(cfg *config.Config, path string) {
	if !usesPacks(cfg) {
		tell(a.stderr, fmt.Errorf("rules of %s does not name %s: a sensor with it does not use what is installed", path, filepath.Join(cfg.Packs.Dir, "current")))
	}
}
