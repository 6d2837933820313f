// Package eve writes lines of Suricata's EVE JSON: the fields that every event
// has, and a small builder for the rest. The event log and the alert format
// use it. Text must be printable ASCII already (package printable), so that
// only quote and backslash are left to escape; keys are constants of ours. It
// never writes anything but one line of ASCII, whatever it is given, and never
// fails.
package eve
