//go:build !linux

package doctor

import (
	"errors"

	"github.com/rmmwatch/rmmwatch/sensor/config"
)

// live reports whether this system runs a live sensor.
const live = false

var errLinux = errors.New("only on Linux")

func readHost(string) host { return host{socket: errLinux, shunt: errLinux} }

func readLink(name string, _ *config.Config) link { return link{name: name, err: errLinux} }

func freeSpace(string) (int64, error) { return 0, errLinux }
