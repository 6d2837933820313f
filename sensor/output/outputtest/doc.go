// Package outputtest is the conformance kit for sinks: it lets a real receiver
// of a sink's protocol fail in every way that receivers fail in, and demands that
// in the end what was received is what was sent. Tests of sinks call it; nothing
// else may.
package outputtest
