package main

import (
	"fmt"
	"io"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
)

// progress is a line on a terminal that says how far a run is.
type progress struct {
	w     io.Writer // nil for none
	files *capture.Files
	last  time.Time
	shown bool
}

// progressEvery is how often the line is written anew.
const progressEvery = 250 * time.Millisecond

func (a *app) progress(files *capture.Files, quiet bool) *progress {
	p := &progress{files: files, last: time.Now()}
	if !quiet && isTerminal(a.stderr) {
		p.w = a.stderr
	}
	return p
}

func (p *progress) tick() {
	if p.w == nil || time.Since(p.last) < progressEvery {
		return
	}
	p.last = time.Now()
	read, total := p.files.Progress()
	if total > 0 {
		fmt.Fprintf(p.w, "\r\x1b[K%3d %% of %d MB", read*100/total, total/1e6)
	} else {
		fmt.Fprintf(p.w, "\r\x1b[K%d MB", read/1e6)
	}
	p.shown = true
}

// clear removes the line, so that something else can be written.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
