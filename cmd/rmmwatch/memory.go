package main

import (
	"errors"
	"os"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/enrich"
	"github.com/rmmwatch/rmmwatch/sensor/ledger"
)

// memory is the ledger of a run. The collector tells it uses and turns; second and
// close may be called from elsewhere.
type memory struct {
	*ledger.Ledger
	log     *zap.Logger
	due     atomic.Bool // what changed is to be taken for the disk
	staged  atomic.Bool // it was
	writing atomic.Bool
}

// openMemory opens the ledger in a folder of state.
func openMemory(state string, cfg *config.Ledger, log *zap.Logger) (*memory, error) {
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, err
	}
	l, err := ledger.Open(ledger.Path(state), ledger.Config{
		Retention: cfg.Retention, MaxMiB: cfg.MaxMiB, SecondWithin: cfg.SecondWithin, DormantAfter: cfg.DormantAfter,
		Log: func(text string, err error) { log.Warn("ledger: "+text, zap.Error(err)) },
	})
	if err != nil {
		return nil, err
	}
	return &memory{Ledger: l, log: log}, nil
}

// turn is called by the collector after each of its turns.
func (m *memory) turn(now int64) {
	m.Advance(now)
	if m.due.Swap(false) {
		m.Stage()
		m.staged.Store(true)
	}
}

// second writes what the collector took since the last one. A slow disk holds up
// nothing but the next writing.
func (m *memory) second() {
	m.due.Store(true)
	if !m.staged.Load() || m.writing.Swap(true) {
		return
	}
	go func() {
		defer m.writing.Store(false)
		switch err := m.Write(); {
		case err == nil:
			m.staged.Store(false)
		case !errors.Is(err, ledger.ErrBusy):
			m.log.Error("the ledger cannot be written; what changed waits in memory", zap.Error(err))
		}
	}()
}

// openPlaces opens the databases of the configuration; nil for none. Rules that find
// something only with one are told, where there is none.
func openPlaces(cfg *config.Config, rules *detect.Ruleset, log *zap.Logger) (*enrich.DB, error) {
	c := enrich.Config(cfg.GeoIP)
	if c.ASN == "" {
		tellBlindRules(rules, log)
	}
	if !c.Any() {
		return nil, nil
	}
	db, err := enrich.Open(c)
	if err != nil {
		return nil, usageError{err}
	}
	return db, nil
}

// tellBlindRules names the indicators that need a database of autonomous systems.
func tellBlindRules(rules *detect.Ruleset, log *zap.Logger) {
	if blind := rules.NeedASN(); len(blind) > 0 {
		log.Warn("rules ask for autonomous systems, and geoip names no database of them: they find nothing", zap.Int("indicators", len(blind)),
			zap.String("first", blind[0].Tool.ID+" "+blind[0].ID))
	}
}
