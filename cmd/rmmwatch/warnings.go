package main

import (
	"fmt"
	"maps"
	"slices"

	"go.uber.org/zap"

	"github.com/rmmwatch/rmmwatch/sensor/alert/format"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// tellSkipped says in one line what was left out of folders. Of the files that
// are named on the command line only those are that are named twice.
func tellSkipped(log *zap.Logger, skipped []capture.SkippedFile) {
	if len(skipped) == 1 {
		log.Warn("file skipped", zap.String("file", printable.Line(skipped[0].Name)), zap.String("reason", skipped[0].Reason))
		return
	}
	kinds := make(map[string]int)
	for _, s := range skipped {
		kinds[s.Kind()]++
	}
	var reasons []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		reasons = append(reasons, fmt.Sprintf("%s (%d)", kind, kinds[kind]))
	}
	if len(reasons) > 0 {
		log.Warn("files skipped", zap.Int("files", len(skipped)), zap.Strings("reasons", reasons))
	}
}

// tellUnread warns of link types that are not read. It reports whether there
// was nothing else: a capture of which no frame could be read is not a quiet
// network.
func tellUnread(log *zap.Logger, s *format.Summary) (nothing bool) {
	nothing = s.Packets > 0 && s.Unread == s.Packets
	level := zap.WarnLevel
	if nothing {
		level = zap.ErrorLevel
	}
	for _, l := range s.UnreadLinks {
		fields := []zap.Field{zap.Uint32("link_type", l.Number)}
		if l.Name != "" {
			fields = append(fields, zap.String("name", l.Name))
		}
		log.Log(level, "frames of a link type that is not read", append(fields, zap.Uint64("frames", l.Frames))...)
	}
	if nothing {
		log.Error("nothing was read: no frame is of a link type that is known")
	}
	return nothing
}
