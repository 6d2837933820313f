// Package blindspots counts, for each host, what a passive sensor could not see: server names hidden by
// ECH, names asked for over encrypted DNS, QUIC that could not be read, flows of which one side was
// captured, handshakes with gaps, and packets that the capture lost. The worker counts, the summary and
// the alerts say it: that nothing was found on a host means little where little could be seen.
//
// A Table is bounded and forgets: counts halve every hour of packet time, and a full table gives up the host
// that was quiet for longest. It must never hold a name, decide anything, or read a clock.
package blindspots
