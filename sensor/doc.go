// Package sensor assembles the stages that a packet walks through: capture,
// decode, flow, applayer, detect, alert. worker.go is the whole hot path on
// one screen; stream.go and datagram.go ask the parsers what a flow's first
// bytes are; sight.go turns what they say into matches, events and sightings;
// replay.go runs a worker over capture files. cmd/rmmwatch calls it. Nothing
// in it knows flags, files of rules or output formats.
package sensor
