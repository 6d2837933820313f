package config

import (
	"go.yaml.in/yaml/v3"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
)

// kinds reads which kinds of alerts are switched on or off.
func (r *reader) kinds(n *yaml.Node) map[alert.Kind]bool {
	out := make(map[alert.Kind]bool)
	of := keys{}
	for _, kind := range alert.Kinds {
		if kind != alert.SensorBlind && kind != alert.AlertStorm { // what a sensor cannot see must be said
			of[string(kind)] = func(n *yaml.Node) { out[kind] = r.oneOf(n, "on", "off") == "on" }
		}
	}
	r.mapping(n, "alerts.kinds", of)
	return out
}
