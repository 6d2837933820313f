package workbench

import (
	"context"
	"errors"
	"fmt"

	"github.com/rmmwatch/rmmwatch/sensor"
	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/capture"
	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

// replay is the alerts that rules raise for captures, taken as one stream, with
// the default configuration. A damaged capture is an error: what it would have
// said is not known. One that merely ends inside a record, as a recording does
// that was stopped, is only told to cut, unless that is nil.
func replay(ctx context.Context, rules *detect.Ruleset, cut func(error), captures ...string) (out []*alert.Alert, err error) {
	files, err := capture.Open(captures, capture.Options{})
	if err != nil {
		return nil, err
	}
	defer files.Close()
	cfg := config.Default()
	var damage error
	r := sensor.Replay{
		Config: &cfg, Rules: rules, Source: files,
		Alert: func(a *alert.Alert) { out = append(out, a) },
		Damage: func(err error) {
			var d *capture.DamageError
			if cut != nil && errors.As(err, &d) && d.Truncated {
				cut(err)
				return
			}
			damage = err
		},
		Tick: func() {},
	}
	_, err = r.Run(ctx)
	if err == nil {
		err = damage
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	return out, nil
}
