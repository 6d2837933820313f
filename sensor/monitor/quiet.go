package monitor

import (
	"log"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// quiet is where net/http complains of its clients. What a scanner sends to an
// open port is no event of the sensor: it is shown to who debugs, and no log is
// filled from outside.
func quiet(l *zap.Logger) *log.Logger {
	std, err := zap.NewStdLogAt(l, zapcore.DebugLevel)
	if err != nil { // the level is known
		return zap.NewStdLog(l)
	}
	return std
}
