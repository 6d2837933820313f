// Package monitor shows how a live sensor does: Prometheus metrics, health and
// readiness over HTTP, EVE stats events, and the times in which the sensor was
// blind. The assembly gives it a function that takes a Snapshot; everything here
// is made of such a snapshot, and nothing here counts on its own or changes what
// it watches. It must never slow the capture down, never wait for a part that
// hangs, and never show anything that a packet said.
package monitor
