package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
)

// screen is standard error with a line at its end that is written anew, where it
// is a terminal. Whatever else is written removes the line first.
type screen struct {
	w     io.Writer
	lines bool // the line is wanted

	mu    sync.Mutex
	last  time.Time
	shown bool
}

// lineEvery is how often the line is written anew.
const lineEvery = 250 * time.Millisecond

func (a *app) screen(quiet bool) *screen {
	return &screen{w: a.stderr, lines: !quiet && isTerminal(a.stderr), last: time.Now()}
}

// Write writes p, without the line.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hide()
	return s.w.Write(p)
}

// line shows what text returns, if it is time for that.
func (s *screen) line(text func() string) {
	if !s.lines {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.last) >= lineEvery {
		s.last, s.shown = time.Now(), true
		fmt.Fprint(s.w, "\r\x1b[K", text())
	}
}

// clear removes the line, so that something else can be written to the terminal.
func (s *screen) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hide()
}

func (s *screen) hide() {
	if s.shown {
		fmt.Fprint(s.w, "\r\x1b[K")
		s.shown = false
	}
}

// reading says how far a replay is.
func reading(files *capture.Files) string {
	read, total := files.Progress()
	if total > 0 {
		return fmt.Sprintf("%3d %% of %d MB", read*100/total, total/1e6)
	}
	return fmt.Sprintf("%d MB", read/1e6)
}
