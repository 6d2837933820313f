// Package systemd tells the service manager how the sensor is: ready, loading its
// rules anew, stopping, alive (sd_notify(3), Type=notify). The command calls it
// at the turns of its life. Outside of a service, where NOTIFY_SOCKET is not set,
// every call does nothing and returns nil. It must never decide
// anything, and an error of it is to be logged, not to be died of.
package systemd

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Ready says that the start, or a reload, is over.
func Ready() error { return tell(daemon.SdNotifyReady) }

// Reloading says that the configuration is being read anew; Ready has to follow,
// also when the old one stays. systemd 253 (Type=notify-reload) wants the time
// of the monotonic clock with it; older ones ignore that.
func Reloading() error {
	return tell(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

// Stopping says that the process is on its way out.
func Stopping() error { return tell(daemon.SdNotifyStopping) }

// Status shows text in `systemctl status`: one line, no secret.
func Status(text string) error {
	return tell("STATUS=" + strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' ' // a line break would begin another message
		}
		return r
	}, text))
}

func tell(state string) error {
	if _, err := daemon.SdNotify(false, state); err != nil {
		what, _, _ := strings.Cut(state, "=")
		return fmt.Errorf("systemd: %s: %w", what, err)
	}
	return nil
}

// Abstract reports whether the service manager listens on an abstract Unix
// socket, which a confined process must be allowed to reach
// (confine.Policy.AbstractUnix).
func Abstract() bool { return strings.HasPrefix(os.Getenv("NOTIFY_SOCKET"), "@") }

// Interval is how often Watchdog has to call: half of WatchdogSec, as
// sd_watchdog_enabled(3) advises. 0 when nobody watches.
func Interval() (time.Duration, error) {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0, fmt.Errorf("systemd: watchdog: %w", err)
	}
	return limit / 2, nil
}

// Watchdog tells the service manager every interval that the process is alive, for as
// long as alive says so, and returns when ctx ends. While alive says no it tells
// nothing: after WatchdogSec the manager ends the process and starts it
// again. alive must not block. Errors go to failed, nil to ignore them. With an
// interval of 0 it returns at once.
func Watchdog(ctx context.Context, interval time.Duration, alive func() bool, failed func(error)) {
	if interval <= 0 {
		return
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if alive() {
			if err := tell(daemon.SdNotifyWatchdog); err != nil && failed != nil {
				failed(err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
