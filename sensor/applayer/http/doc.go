// Package http reads the head of an HTTP/1 request or response (RFC 9112) from
// the ordered first bytes of a TCP direction: method, target, host, agent and
// where the head ends, so that the worker can go on behind a CONNECT or an
// upgrade. It is as tolerant as the stacks it watches are: a head that some
// server answers must not be hidden by a bare LF or a folded line. It imports
// none of our packages, never allocates, copies or keeps a byte (all results
// are views), and never reads a body.
package http
