package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/rmmwatch/rmmwatch/sensor"
	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/delivery"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/monitor"
	"github.com/rmmwatch/rmmwatch/sensor/policy"
	"github.com/rmmwatch/rmmwatch/sensor/systemd"
)

// watchFlags are the flags of watch.
type watchFlags struct {
	interfaces []string
	rules      words
	config     word
	format     word
	template   word
	out        word
	events     word
	check      bool
	quiet      bool
}

func (a *app) watchCommand() *cobra.Command {
	var f watchFlags
	cmd := &cobra.Command{
		Use:   "watch [flags] -i INTERFACE",
		Short: "Find remote-access tools in live traffic",
		Long: `Watch reads the packets of one or more interfaces, such as the port that a switch
mirrors to, and tells an alert when a host begins to use a remote-access tool, when
more is learned, and when it ends. Alerts go to the outputs of the configuration;
without any, or with --out or --format, they are printed.

It needs Linux and CAP_NET_RAW, for the shunt CAP_BPF and CAP_NET_ADMIN too, and
gives all rights up when its sockets are open. SIGHUP reads the rules anew, as does
a change in their folders; SIGTERM and Ctrl-C end it in order, with status 0.`,
		Example: `  rmmwatch watch -i eth1
  rmmwatch watch --config /etc/rmmwatch/rmmwatch.yaml
  rmmwatch watch --check --config /etc/rmmwatch/rmmwatch.yaml`,
		Args: wantArgs(cobra.NoArgs, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.watch(cmd.Context(), f) },
	}
	fl := cmd.Flags()
	fl.StringArrayVarP(&f.interfaces, "interface", "i", nil, "interface to read; may be repeated (default those of the configuration)")
	fl.Var(&f.rules, "rules", `rule file or folder, or "embedded" for the rules brought along; may be repeated (default embedded)`)
	fl.Var(&f.config, "config", "configuration file")
	fl.Var(&f.format, "format", "print alerts in this format: eve, ecs, ocsf, cef, leef or template")
	fl.Var(&f.template, "template", "file with a Go template, for --format template")
	fl.Var(&f.out, "out", "print alerts to this file")
	fl.Var(&f.events, "events", "write every name seen to this file, as EVE events, and EVE stats each minute")
	fl.BoolVar(&f.check, "check", false, "only check configuration and rules")
	fl.BoolVar(&f.quiet, "quiet", false, "log errors only, and no live view")
	return cmd
}

// prepare reads what the command line and the configuration say.
func (a *app) prepare(f *watchFlags) (*config.Config, *detect.Ruleset, error) {
	cfg := config.Default()
	if f.config != "" {
		var err error
		if cfg, err = config.Load(string(f.config)); err != nil {
			return nil, nil, usageError{err}
		}
	}
	if len(f.rules) > 0 {
		cfg.Rules = f.rules
	}
	if len(f.interfaces) > 0 {
		cfg.Capture.Interfaces = f.interfaces
	}
	for _, name := range cfg.Capture.Interfaces {
		if err := config.CheckInterface(name); err != nil {
			return nil, nil, usageError{err}
		}
	}
	if len(cfg.Capture.Interfaces) == 0 && !f.check {
		return nil, nil, usagef("no interface to watch: name one with -i or in the configuration; see rmmwatch watch --help")
	}
	rules, err := loadRules(cfg.Rules)
	if err != nil {
		return nil, nil, err
	}
	if err := checkTools(&cfg, rules); err != nil {
		return nil, nil, err
	}
	_, err = compilePolicy(&cfg, rules)
	return &cfg, rules, err
}

func (a *app) watch(ctx context.Context, f watchFlags) error {
	cfg, rules, err := a.prepare(&f)
	if err != nil {
		return err
	}
	if f.check {
		return a.watchCheck(cfg, rules)
	}
	log := newLogger(a.stderr, isTerminal(a.stderr), f.quiet)
	s, err := a.newSensor(cfg, rules, f, log)
	if err != nil {
		return errors.Join(err, s.close())
	}
	if err := s.confine(f); err != nil {
		return errors.Join(err, s.close())
	}
	s.run(ctx)
	return s.close()
}

// watchCheck reports on a configuration without using it.
func (a *app) watchCheck(cfg *config.Config, rules *detect.Ruleset) error {
	if _, err := kernelFilter(&cfg.Capture); err != nil {
		return err
	}
	if err := delivery.Check(cfg); err != nil {
		return err
	}
	if _, err := openPlaces(cfg, rules, zap.NewNop()); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.stdout, "ok: %s, %s, %s\n", count(len(cfg.Capture.Interfaces), "interface"), count(len(rules.Tools()), "tool"), count(len(cfg.Outputs), "output"))
	return err
}

// rescan is how often the folders of the rules are looked at for changes.
const rescan = 5 * time.Second

// run watches until ctx is done.
func (s *liveSensor) run(ctx context.Context) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	alive, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan struct{})
	go func() {
		s.live.Run(ctx)
		close(done)
	}()
	s.tell(systemd.Ready())
	if every, err := systemd.Interval(); err == nil && every > 0 {
		go systemd.Watchdog(alive, every, s.healthy, s.tell)
	}
	s.log.Info("watching", zap.Strings("interfaces", s.cfg.Capture.Interfaces), zap.Int("workers", len(s.rings)),
		zap.Int("tools", len(s.live.Rules().Tools())), zap.String("rules", s.live.Rules().Version()), zap.Bool("shunt", s.shunt != nil))
	second := time.NewTicker(time.Second)
	defer second.Stop()
	changes := time.NewTicker(rescan)
	defer changes.Stop()
	for {
		select {
		case <-hup:
			s.reload("SIGHUP")
			s.relocate()
			if s.outputs != nil {
				s.outputs.Reopen()
			}
		case <-changes.C:
			if print := fingerprint(s.cfg.Rules); print != s.print {
				s.reload("a change in the rules' folders")
			}
			s.relocate()
		case now := <-second.C:
			s.second(now)
		case <-done:
			return
		}
		if ctx.Err() != nil && !s.stopping {
			s.stopping = true
			s.tell(systemd.Stopping())
			s.log.Info("ending: what was captured is still read")
		}
	}
}

// tell logs an error of what is only told to others.
func (s *liveSensor) tell(err error) {
	if err != nil {
		s.log.Warn("the service manager could not be told", zap.Error(err))
	}
}

// reload makes the rules on disk those in use, if they are good.
func (s *liveSensor) reload(why string) {
	s.print = fingerprint(s.cfg.Rules)
	s.tell(systemd.Reloading())
	defer func() { s.tell(systemd.Ready()) }()
	rules, err := loadRules(s.cfg.Rules)
	if err == nil {
		err = checkTools(s.cfg, rules)
	}
	var sanctioned *policy.Policy
	if err == nil {
		sanctioned, err = compilePolicy(s.cfg, rules)
	}
	if err != nil {
		s.mu.Lock()
		s.refused++
		s.mu.Unlock()
		s.log.Error("the rules are refused, the old ones stay", zap.String("why_read", why), zap.Error(err))
		return
	}
	s.mu.Lock()
	s.reloads++
	s.loaded = time.Now()
	s.mu.Unlock()
	before := s.live.Rules().Version()
	s.live.SetRules(rules)
	s.live.SetPolicy(sanctioned)
	if s.cfg.GeoIP.ASN == "" {
		tellBlindRules(rules, s.log)
	}
	s.log.Info("rules loaded", zap.String("why_read", why), zap.String("before", before), zap.String("now", rules.Version()), zap.Int("tools", len(rules.Tools())))
}

// relocate reads databases of places that were replaced.
func (s *liveSensor) relocate() {
	if s.places == nil {
		return
	}
	replaced, err := s.places.Reload()
	if err != nil {
		s.log.Error("a database is refused, the old one stays", zap.Error(err))
	}
	if len(replaced) > 0 {
		s.log.Info("databases loaded", zap.Strings("files", replaced))
	}
}

// snapshot is what everybody who watches the sensor is told.
func (s *liveSensor) snapshot() monitor.Snapshot {
	rules := s.live.Rules()
	snap := monitor.Snapshot{
		Version: buildVersion(), Start: s.started, Workers: s.live.Workers(), Lost: s.live.Lost(), Collector: s.live.Alerts(),
		Told: map[alert.Kind]uint64{}, FlowsMax: s.live.MaxFlows(), CollectorTurns: s.live.Turns(),
	}
	snap.Rules = monitor.Rules{Version: rules.Version(), Tools: len(rules.Tools())}
	for _, t := range rules.Tools() {
		snap.Rules.Indicators += len(t.Indicators)
	}
	for i, r := range s.rings {
		packets, drops, freezes := r.Stats()
		snap.Rings = append(snap.Rings, monitor.Ring{
			Interface: s.names[i/s.cfg.Capture.Workers], Index: i, Packets: packets, Drops: drops, Freezes: freezes, Up: r.Up(),
		})
	}
	if s.outputs != nil {
		snap.Outputs = s.outputs.Status()
	}
	if s.shunt != nil {
		if st, err := s.shunt.Stats(); err == nil {
			snap.Shunt = &monitor.Shunt{
				Passed: st.Passed, PassedBytes: st.PassedBytes, Dropped: st.Dropped, DroppedBytes: st.DroppedBytes, Refused: st.Refused, Flows: st.Flows,
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for kind, n := range s.told { // any order
		snap.Told[kind] = n
	}
	snap.Rules.Loaded, snap.Rules.Reloads, snap.Rules.Refused = s.loaded, s.reloads, s.refused
	return snap
}

// healthy reports whether worker and collector move, as of the last second.
func (s *liveSensor) healthy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.hanging) == 0
}

// panicked keeps a frame that made a worker panic.
func (s *liveSensor) panicked(source int, p sensor.Panicked) {
	s.log.Error("a packet made the sensor panic; it goes on", zap.Int("worker", source), zap.Any("panic", p.Value),
		zap.String("kept", s.quarantine.keep(p)), zap.ByteString("stack", p.Stack))
}
