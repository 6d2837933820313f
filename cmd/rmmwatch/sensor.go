package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/net/bpf"

	"github.com/rmmwatch/rmmwatch/sensor"
	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/alert/format"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/capture/afpacket"
	"github.com/rmmwatch/rmmwatch/sensor/capture/filter"
	"github.com/rmmwatch/rmmwatch/sensor/capture/shunt"
	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/confine"
	"github.com/rmmwatch/rmmwatch/sensor/delivery"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/enrich"
	"github.com/rmmwatch/rmmwatch/sensor/events"
	"github.com/rmmwatch/rmmwatch/sensor/monitor"
	"github.com/rmmwatch/rmmwatch/sensor/systemd"
)

// liveSensor is everything that watch holds open.
type liveSensor struct {
	cfg     *config.Config
	log     *zap.Logger
	started time.Time
	rings   []*afpacket.Ring
	names   []string // of the interfaces, by the index that frames carry
	shunt   *shunt.Shunt
	live    *sensor.Live
	outputs *delivery.Outputs // nil for none
	print   string            // of the rules' files
	loaded  time.Time         // when the rules were
	reloads uint64
	refused uint64

	lines      format.Encoder // what prints alerts; nil for none
	printer    *bufio.Writer
	files      []*os.File
	eventsLock sync.Mutex
	quarantine quarantine
	view       *view      // nil without a terminal
	places     *enrich.DB // nil for none
	memory     *memory    // nil without a state folder
	stopping   bool

	server *monitor.Server // nil for none
	blind  monitor.Blind
	hangs  monitor.Hangs
	events io.Writer // of EVE stats; nil for none
	ticks  int       // seconds since the start

	mu      sync.Mutex
	hanging []string
	told    map[alert.Kind]uint64
}

// newSensor opens rings, outputs and files. The sensor is to be closed also when
// there is an error.
func (a *app) newSensor(cfg *config.Config, rules *detect.Ruleset, f watchFlags, log *zap.Logger) (s *liveSensor, err error) {
	s = &liveSensor{
		cfg: cfg, log: log, started: time.Now(), loaded: time.Now(), print: fingerprint(cfg.Rules), names: cfg.Capture.Interfaces, told: map[alert.Kind]uint64{},
		live: &sensor.Live{Config: cfg, Now: func() int64 { return time.Now().UnixNano() }},
	}
	s.live.Down = s.down
	s.live.Panic = s.panicked
	s.live.Alert = s.alert
	s.live.Storm = func(storm alert.Storm) { s.alert(delivery.StormAlert(storm)) }
	s.live.SetRules(rules)
	sanctioned, err := compilePolicy(cfg, rules)
	if err != nil {
		return s, err
	}
	s.live.SetPolicy(sanctioned)
	if s.places, err = openPlaces(cfg, rules, log); err != nil {
		return s, err
	}
	s.live.Places = s.places
	var seed [16]byte
	rand.Read(seed[:])
	s.live.Seed = [2]uint64{binary.NativeEndian.Uint64(seed[:]), binary.NativeEndian.Uint64(seed[8:])}
	if cfg.State != "" {
		s.quarantine.folder = filepath.Join(cfg.State, "quarantine")
		if s.memory, err = openMemory(cfg.State, &cfg.Ledger, log); err != nil {
			return s, err
		}
		s.live.Memory, s.live.Turn = s.memory, s.memory.turn
	}
	if err := s.openRings(); err != nil {
		return s, err
	}
	if err := s.openShunt(); err != nil {
		return s, err
	}
	if len(cfg.Outputs) > 0 {
		if s.outputs, err = delivery.Open(cfg, delivery.Options{Files: s.name, Log: log, Stdout: a.stdout}); err != nil {
			return s, err
		}
	}
	if err := s.openFiles(a, f); err != nil {
		return s, err
	}
	s.live.Start()
	s.blind.Silence = cfg.Capture.Silence
	if cfg.HTTP == "" {
		return s, nil
	}
	s.server = monitor.New(s.snapshot, log)
	if err := s.server.Listen(cfg.HTTP); err != nil {
		s.server = nil
		return s, fmt.Errorf("http: %w", err)
	}
	return s, nil
}

// name is what stands for a capture file's name in alerts and events.
func (s *liveSensor) name(i uint32) string {
	if int(i) < len(s.names) {
		return s.names[i]
	}
	return "unknown"
}

// kernelFilter is the program that drops what the configuration ignores; nil for
// none.
func kernelFilter(c *config.Capture) ([]bpf.RawInstruction, error) {
	program, err := filter.Compile(filter.Ignore{Networks: c.Ignore.Networks, Ports: c.Ignore.Ports, VLANs: c.Ignore.VLANs})
	if err != nil {
		return nil, fmt.Errorf("capture: ignore: %w", err)
	}
	if c.BPFFile == "" {
		return program, nil
	}
	text, err := os.ReadFile(c.BPFFile)
	if err != nil {
		return nil, usageError{fmt.Errorf("bpf_file: %w", err)}
	}
	more, err := filter.ParseFile(text)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s:%w", c.BPFFile, err)}
	}
	if program, err = filter.Join(program, more); err != nil {
		return nil, fmt.Errorf("capture: ignore and bpf_file: %w", err)
	}
	return program, nil
}

// openRings opens a ring for each worker of each interface.
func (s *liveSensor) openRings() error {
	c := &s.cfg.Capture
	program, err := kernelFilter(c)
	if err != nil {
		return err
	}
	for i, name := range c.Interfaces {
		for index := range c.Workers {
			ring, err := afpacket.Open(afpacket.Config{
				Interface: name, RingBytes: max(c.RingMiB<<20/c.Workers, afpacket.MinRing), Rings: c.Workers, Index: index,
				Group: uint16(os.Getpid()<<4 + i), Filter: program, Promiscuous: c.Promiscuous, IgnoreOutgoing: c.IgnoreOutgoing, File: uint32(i),
			})
			if err != nil {
				return err
			}
			s.rings = append(s.rings, ring)
			s.live.Sources = append(s.live.Sources, ring)
		}
	}
	return nil
}

// openShunt puts the shunt in front of the rings, where it may and can.
func (s *liveSensor) openShunt() error {
	mode := s.cfg.Capture.Shunt
	if mode == "off" {
		return nil
	}
	err := s.attachShunt()
	if err == nil {
		return nil
	}
	if s.shunt != nil {
		s.shunt.Close()
		s.shunt = nil
	}
	if mode == "on" {
		return fmt.Errorf("capture: shunt: on, but: %w", err)
	}
	s.log.Warn("running without the shunt: every packet comes up", zap.Error(err))
	return nil
}

func (s *liveSensor) attachShunt() (err error) {
	if len(s.cfg.Capture.Ignore.Networks)+len(s.cfg.Capture.Ignore.Ports)+len(s.cfg.Capture.Ignore.VLANs) > 0 || s.cfg.Capture.BPFFile != "" {
		return errors.New("a socket has one program, and ignore or bpf_file is it")
	}
	if s.shunt, err = shunt.Load(shunt.Config{}); err != nil {
		return err
	}
	if _, err := shunt.WallOffset(); err != nil {
		return err
	}
	for _, r := range s.rings {
		if err := r.Attach(s.shunt.FD()); err != nil {
			return err
		}
	}
	s.live.Shunt = s.shunt
	s.live.ShuntOffset = func() int64 {
		offset, _ := shunt.WallOffset() // it worked before
		return offset
	}
	return nil
}

// openFiles opens what alerts and events are printed to.
func (s *liveSensor) openFiles(a *app, f watchFlags) error {
	if s.outputs == nil || f.out != "" || f.format != "" {
		if s.outputs == nil && f.out == "" && f.format == "" && !f.quiet && isTerminal(a.stdout) {
			s.view = newView(a.stdout)
		} else if err := s.openPrinter(a, f); err != nil {
			return err
		}
	}
	if f.events == "" {
		return nil
	}
	out, err := s.create(a, string(f.events))
	if err != nil {
		return err
	}
	s.events = &lineWriter{out: out, lock: &s.eventsLock}
	for range s.rings {
		s.live.Events = append(s.live.Events, events.New(&lineWriter{out: out, lock: &s.eventsLock}, s.name))
	}
	return nil
}

func (s *liveSensor) openPrinter(a *app, f watchFlags) error {
	name := string(f.format)
	if name == "" {
		name = "eve"
	}
	if (name == config.FormatTemplate) != (f.template != "") {
		return usagef("--format template and --template FILE belong together")
	}
	var err error
	if s.lines, err = delivery.Encoder(name, string(f.template), s.name); err != nil {
		return usageError{err}
	}
	path := string(f.out)
	if path == "" {
		path = "-"
	}
	out, err := s.create(a, path)
	s.printer = bufio.NewWriter(out)
	return err
}

// create makes a file, or takes standard output for -.
func (s *liveSensor) create(a *app, path string) (io.Writer, error) {
	if path == "-" {
		return a.stdout, nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return nil, usageError{err}
	}
	s.files = append(s.files, f)
	return f, nil
}

// confine gives up all rights: everything that needs one is open.
func (s *liveSensor) confine(f watchFlags) error {
	read, write := delivery.Paths(s.cfg)
	for _, p := range append([]string{string(f.config), string(f.template), s.cfg.Capture.BPFFile}, s.cfg.Rules...) {
		if p != "" && p != embedded {
			read = append(read, p)
		}
	}
	if s.places != nil {
		read = append(read, s.places.Paths()...)
	}
	if s.cfg.Packs.Dir != "" { // not only the set that is in force now
		read = append(read, s.cfg.Packs.Dir)
	}
	if s.cfg.State != "" {
		write = append(write, s.cfg.State)
	}
	for _, file := range s.files {
		write = append(write, file.Name())
	}
	readable, _ := confine.Reach(read...)
	writable, _ := confine.Reach(write...)
	report, err := confine.Drop(confine.Policy{ReadOnly: append(confine.System(), readable...), ReadWrite: writable, AbstractUnix: systemd.Abstract()})
	if err != nil {
		return fmt.Errorf("giving up rights: %w", err)
	}
	s.log.Info("rights are given up", zap.Bool("no_new_privs", report.NoNewPrivs), zap.Int("landlock", report.Landlock), zap.Strings("missing", report.Missing))
	return nil
}

// down tells that a source failed; it is tried again.
func (s *liveSensor) down(source int, err error) {
	if !errors.Is(err, io.EOF) {
		s.log.Error("capture interrupted", zap.Int("worker", source), zap.Error(err))
	}
}

// alert takes an alert from the collector.
func (s *liveSensor) alert(a *alert.Alert) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.State == alert.Opened {
		s.told[a.Kind()]++
	}
	if s.outputs != nil {
		s.outputs.Put(a)
	}
	if s.lines != nil {
		s.printer.Write(s.lines.Line(a))
		s.printer.Flush()
	}
	if s.view != nil {
		s.view.alert(a)
	}
}

// statsEvery is how many seconds lie between two EVE stats events.
const statsEvery = 60

// second is what happens every second.
func (s *liveSensor) second(now time.Time) {
	snap := s.snapshot()
	hangs := s.hangs.Observe(&snap, now)
	s.mu.Lock()
	fresh := len(hangs) > len(s.hanging)
	s.hanging = hangs
	s.mu.Unlock()
	if fresh {
		s.log.Error("the sensor hangs", zap.Strings("what", hangs))
	}
	for _, e := range s.blind.Observe(&snap, now) {
		s.log.Warn("capture: "+e.Text, zap.String("interface", e.Interface), zap.String("cause", string(e.Cause)), zap.Bool("over", e.Over))
		s.alert(delivery.BlindAlert(string(e.Cause)+"-"+e.Interface, e.Text, e.Since, e.At, e.Over))
	}
	if s.ticks++; s.ticks%statsEvery == 0 {
		s.stats(&snap, now)
	}
	if s.memory != nil {
		s.memory.second()
	}
	if s.view != nil {
		s.view.draw(s, now)
	}
}

// stats writes an EVE stats event where events go.
func (s *liveSensor) stats(snap *monitor.Snapshot, now time.Time) {
	if s.events != nil {
		if _, err := s.events.Write(monitor.StatsLine(snap, now)); err != nil {
			s.log.Error("events cannot be written", zap.Error(err))
		}
	}
}

// close lets go of everything, in the order in which alerts flow.
func (s *liveSensor) close() error {
	var errs []error
	if s.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		s.server.Shutdown(ctx) // whoever asks longer is cut off
		cancel()
	}
	if s.live.Rules() != nil && len(s.rings) > 0 {
		snap := s.snapshot()
		s.stats(&snap, time.Now())
	}
	for _, r := range s.rings {
		errs = append(errs, r.Close())
	}
	if s.shunt != nil {
		errs = append(errs, s.shunt.Close())
	}
	if s.memory != nil {
		errs = append(errs, s.memory.Close())
	}
	if s.outputs != nil {
		s.outputs.Flush(flushFor)
		errs = append(errs, s.outputs.Close())
	}
	if s.view != nil {
		s.view.draw(s, time.Now())
	}
	if s.printer != nil {
		errs = append(errs, s.printer.Flush())
	}
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// flushFor is how long the end waits for receivers; what is left waits for the next
// start.
const flushFor = 5 * time.Second

// lineWriter writes whole lines of several writers to one file.
type lineWriter struct {
	out  io.Writer
	lock *sync.Mutex
	rest []byte // a line that is not whole yet
}

func (w *lineWriter) Write(p []byte) (int, error) {
	end := bytes.LastIndexByte(p, '\n') + 1
	if end == 0 {
		w.rest = append(w.rest, p...)
		return len(p), nil
	}
	w.lock.Lock()
	defer w.lock.Unlock()
	for _, part := range [][]byte{w.rest, p[:end]} {
		if _, err := w.out.Write(part); err != nil {
			return 0, err
		}
	}
	w.rest = append(w.rest[:0], p[end:]...)
	return len(p), nil
}

// fingerprint changes when a rule file does, or a link to a folder of them.
func fingerprint(paths []string) string {
	var b strings.Builder
	for _, p := range paths {
		if p == embedded {
			continue
		}
		real, err := filepath.EvalSymlinks(p)
		if err != nil {
			fmt.Fprintln(&b, p, err)
			continue
		}
		filepath.WalkDir(real, func(path string, e os.DirEntry, err error) error {
			if err != nil {
				fmt.Fprintln(&b, path, err)
				return nil
			}
			if info, err := e.Info(); err == nil && !e.IsDir() {
				fmt.Fprintln(&b, path, info.Size(), info.ModTime().UnixNano())
			}
			return nil
		})
	}
	return b.String()
}

var _ capture.Source = (*afpacket.Ring)(nil)
