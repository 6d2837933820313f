package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/alert/format"
	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/delivery"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/output"
)

// sender delivers the alerts of a replay; nil is none.
type sender struct {
	ctx     context.Context
	outputs *delivery.Outputs
	log     *zap.Logger
	screen  *screen
	closed  bool
	// patience is how long to wait for receivers while nothing is delivered.
	patience time.Duration
	hup      chan os.Signal
}

// newSender opens the outputs of a replay.
func (a *app) newSender(ctx context.Context, cfg *config.Config, rules *detect.Ruleset, files format.Files, log *zap.Logger, screen *screen, patience time.Duration) (*sender, error) {
	if len(cfg.Outputs) == 0 {
		return nil, usagef("--send needs a configuration with outputs (--config FILE); see docs/configuration.md")
	}
	if err := checkTools(cfg, rules); err != nil {
		return nil, err
	}
	out, err := delivery.Open(cfg, delivery.Options{Files: files, Log: log, Stdout: a.stdout})
	if err != nil {
		return nil, err
	}
	zap.RedirectStdLog(log) // net/http writes there when a receiver misbehaves
	s := &sender{ctx: ctx, outputs: out, log: log, screen: screen, patience: patience, hup: make(chan os.Signal, 1)}
	signal.Notify(s.hup, syscall.SIGHUP) // logrotate's way to say that a file was moved
	go func() {
		for range s.hup {
			out.Reopen()
		}
	}()
	return s, nil
}

// alert queues a for delivery. A replay has time: it waits while a queue is full.
func (s *sender) alert(a *alert.Alert) {
	s.outputs.Room(s.ctx, s.patience)
	s.outputs.Put(a)
}

// close ends delivery; a second call does nothing.
func (s *sender) close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	signal.Stop(s.hup)
	close(s.hup)
	return s.outputs.Close()
}

// finish waits until everything is delivered, or nothing was for the time of
// patience, and reports what is left.
func (s *sender) finish() error {
	err := s.outputs.Wait(s.ctx, s.patience, func(list []delivery.Status) {
		s.screen.line(func() string { return waitLine(list) })
	})
	s.screen.clear()
	if err != nil && s.ctx.Err() == nil {
		s.log.Warn(err.Error())
	}
	err = s.close()
	list := s.outputs.Status() // of what is on disk now
	var failed error
	for _, st := range list {
		switch {
		case st.Backlog.Records > 0:
			s.log.Error("alerts are not delivered; they wait in the queue for the next run", zap.String("output", st.Name),
				zap.Int("waiting", st.Backlog.Records), zap.String("last_error", st.LastError))
			failed = statusError(exitFailed)
		case st.Refused+st.Backlog.Lost.Sum() > 0:
			s.log.Error("alerts were refused or given up", zap.String("output", st.Name),
				zap.Uint64("refused", st.Refused), zap.Uint64("given_up", st.Backlog.Lost.Sum()), zap.String("last_error", st.LastError))
			failed = statusError(exitFailed)
		default:
			s.log.Info("delivered", zap.String("output", st.Name), zap.Uint64("alerts", st.Delivered))
		}
	}
	return errors.Join(err, failed)
}

// waitLine says what is waited for.
func waitLine(list []delivery.Status) string {
	var parts []string
	for _, s := range list {
		if s.Backlog.Records == 0 {
			continue
		}
		text := fmt.Sprintf("%d to %s", s.Backlog.Records, s.Name)
		if s.State != output.Working {
			text += " (" + string(s.State) + ")"
		}
		parts = append(parts, text)
	}
	return "still to deliver: " + strings.Join(parts, ", ")
}
