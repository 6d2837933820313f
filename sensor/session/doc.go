// Package session tells from the payload bytes of a flow, in both directions, when a person is
// driving: an agent's heartbeat, a download and an unattended screen are none.
//
// A Meter is the state of one flow: 64 bytes, whatever the flow does. A worker feeds those of the flows
// that a rule hit, through a Table; the collector gets sessions, each opened and closed once. Time is
// packet time. The package sees lengths and times only: no payload, no name, no rule. It must never
// allocate for a packet, or count packets: how bytes were cut into segments says nothing.
//
// docs/sessions.md says what is taken for a person, and what cannot be told.
package session
