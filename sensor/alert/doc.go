// Package alert turns sightings into alerts: one for each host and tool in a
// window of time, with all its evidence. The workers hand it sightings in
// packet order through the collector; the formats and the report read what it
// makes. Packet time is its only clock, and the same sightings give the same
// alerts. It never sees a packet, decides nothing about what is allowed, and
// writes nothing.
package alert
