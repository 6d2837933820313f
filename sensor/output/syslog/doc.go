// Package syslog is the sink for syslog receivers: RFC 5424 messages over UDP
// (RFC 5426), TCP (RFC 6587), TLS (RFC 5425) and unix sockets. Syslog has no
// acknowledgement; over TCP and TLS this package makes one out of the way in which
// a connection ends, see stream.go. A courier calls it. It must never say that a
// message was delivered when it could have been lost on the way.
package syslog
