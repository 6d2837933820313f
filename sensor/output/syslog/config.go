package syslog

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/output"
)

// Framing is how messages are told apart in a stream.
type Framing string

const (
	OctetCounted Framing = "octet-counted" // RFC 6587 3.4.1, and the only one of RFC 5425
	Newline      Framing = "newline"       // RFC 6587 3.4.2
)

// Config is a receiver and what it is sent. Zero values take the defaults named.
type Config struct {
	Network string // udp, tcp, tls or unix
	Address string // host:port; of unix the socket's path
	TLS     output.TLS
	Framing Framing // default octet-counted over tcp and tls, newline over a unix stream
	// Facility is a name such as local0, the default, or its number, 0 to 23.
	Facility string
	Hostname string // of the sensor; default "-", RFC 5424's nil value
	AppName  string // default rmmwatch
	// Enterprise is the private enterprise number in the name of the structured
	// data; default 32473, which RFC 5612 reserves for examples.
	Enterprise uint32
	// StructuredData sends id, tool, kind, host and severity as such; nil is yes.
	StructuredData *bool
	// MaxBytes bounds a message without its framing: more is cut off the body.
	// Default 65,536 over tcp and tls, 8,192 over unix and udp.
	MaxBytes int
	// Confirm waits until the receiver has read each batch; nil is yes. Of tcp, tls
	// and unix streams only: nothing can be known of datagrams.
	Confirm *bool
	Timeout time.Duration // of one batch; default 30 s
	Dial    output.Dial   // nil for net.Dialer's
	// Log is told when messages were cut: the first time, and when their number has
	// doubled. Nil is silent.
	Log func(text string, err error)
}

const (
	// exampleEnterprise is RFC 5612's number.
	exampleEnterprise = 32473
	// maxStream holds the largest alert, some 20 KB, and is what syslog-ng takes
	// unless told otherwise.
	maxStream = 64 << 10
	// maxUnix is what a local daemon takes unless told otherwise: rsyslog 8 KiB.
	maxUnix = 8 << 10
	// maxUDP is what rsyslog takes unless told otherwise, and holds most alerts. It
	// leaves as several fragments, of which none may be lost; a datagram that fits one
	// frame (some 1,400 bytes, RFC 5426 3.2) would cut every alert.
	maxUDP = 8 << 10
	// maxDatagram is the largest payload of UDP over IPv4.
	maxDatagram = 65507
	// maxAny bounds max_bytes.
	maxAny = 1 << 20
	// minBody is what a cut body keeps at least.
	minBody = 64
)

// facilities are RFC 5424's table 1, by the names of syslog.h.
var facilities = []string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
	"ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

// facility reads a name or a number.
func facility(s string) (int, error) {
	if s == "" {
		s = "local0"
	}
	if i := slices.Index(facilities, strings.ToLower(s)); i >= 0 {
		return i, nil
	}
	if n, err := strconv.Atoi(s); err == nil && n >= 0 && n < len(facilities) {
		return n, nil
	}
	return 0, fmt.Errorf("facility: %q is none: a number from 0 to 23 or one of %s", s, strings.Join(facilities, ", "))
}

// New judges the configuration and returns a sink. Nothing is connected yet.
func New(cfg Config) (*Sink, error) {
	s := &Sink{cfg: cfg}
	if err := s.address(); err != nil {
		return nil, fmt.Errorf("syslog: address: %w", err)
	}
	if err := s.stream(); err != nil {
		return nil, fmt.Errorf("syslog: %w", err)
	}
	if err := s.format(); err != nil {
		return nil, fmt.Errorf("syslog: %w", err)
	}
	switch {
	case cfg.Timeout < 0:
		return nil, fmt.Errorf("syslog: timeout: %v is negative", cfg.Timeout)
	case cfg.Timeout == 0:
		s.cfg.Timeout = 30 * time.Second
	}
	if cfg.Log == nil {
		s.cfg.Log = func(string, error) {}
	}
	if cfg.Dial == nil {
		s.cfg.Dial = new(net.Dialer).DialContext
	}
	return s, nil
}

// address judges network and address.
func (s *Sink) address() error {
	switch s.cfg.Network {
	case "unix":
		if !strings.HasPrefix(s.cfg.Address, "/") {
			return fmt.Errorf("%q is no absolute path of a socket", s.cfg.Address)
		}
		return nil
	case "udp", "tcp", "tls":
	default:
		return fmt.Errorf("network %q is none of udp, tcp, tls, unix", s.cfg.Network)
	}
	host, port, err := net.SplitHostPort(s.cfg.Address)
	if err != nil {
		return fmt.Errorf("%q is not host:port (6514 is the port of syslog over TLS, 514 that of the others)", s.cfg.Address)
	}
	if host == "" {
		return fmt.Errorf("%q names no host", s.cfg.Address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q: the port is a number from 1 to 65535", s.cfg.Address)
	}
	s.host = host
	return nil
}

// stream judges framing, TLS and confirmation.
func (s *Sink) stream() error {
	network := s.cfg.Network
	switch s.cfg.Framing {
	case "":
		s.cfg.Framing = OctetCounted
		if network == "unix" {
			s.cfg.Framing = Newline
		}
	case OctetCounted, Newline:
		if network == "udp" {
			return errors.New("framing: a datagram holds one message, udp has none")
		}
	default:
		return fmt.Errorf("framing: %q is neither %s nor %s", s.cfg.Framing, OctetCounted, Newline)
	}
	if s.cfg.TLS != (output.TLS{}) {
		if network != "tls" {
			return fmt.Errorf("ca_file, cert_file and key_file are for tls://, not for %s", network)
		}
		if (s.cfg.TLS.CertFile == "") != (s.cfg.TLS.KeyFile == "") {
			return errors.New("cert_file and key_file belong together: one is missing")
		}
		// Read for each connection; a first time now, so that a wrong file shows at the start.
		if _, err := s.cfg.TLS.Config(s.host); err != nil {
			return err
		}
	}
	if network == "udp" && s.cfg.Confirm != nil && *s.cfg.Confirm {
		return errors.New("confirm: udp cannot be confirmed; use tcp or tls")
	}
	s.confirm = s.cfg.Confirm == nil || *s.cfg.Confirm
	return nil
}

// format judges what messages are made of.
func (s *Sink) format() error {
	f, err := facility(s.cfg.Facility)
	if err != nil {
		return err
	}
	s.enc = encoder{facility: f, hostname: s.cfg.Hostname, appName: s.cfg.AppName, structured: s.cfg.StructuredData == nil || *s.cfg.StructuredData}
	for _, field := range []struct {
		key   string
		value *string
		def   string
		most  int
	}{{"hostname", &s.enc.hostname, "-", 255}, {"app_name", &s.enc.appName, "rmmwatch", 48}} {
		if *field.value == "" {
			*field.value = field.def
		}
		if len(*field.value) > field.most || strings.ContainsFunc(*field.value, func(r rune) bool { return r < '!' || r > '~' }) {
			return fmt.Errorf("%s: %q: RFC 5424 takes up to %d printable ASCII characters without spaces", field.key, *field.value, field.most)
		}
	}
	n := s.cfg.Enterprise
	if n == 0 {
		n = exampleEnterprise
	}
	s.enc.sdID = "rmmwatch@" + strconv.FormatUint(uint64(n), 10)
	return s.size()
}

// size judges max_bytes.
func (s *Sink) size() error {
	least, def, most := s.enc.longestHead()+minBody, maxStream, maxAny
	switch s.cfg.Network {
	case "udp":
		def, most = max(maxUDP, least), maxDatagram
	case "unix":
		def = maxUnix
	}
	s.enc.maxBytes = s.cfg.MaxBytes
	if s.enc.maxBytes == 0 {
		s.enc.maxBytes = def
	}
	if s.enc.maxBytes < least || s.enc.maxBytes > most {
		return fmt.Errorf("max_bytes: %d is not from %d, which header and structured data need, to %d", s.cfg.MaxBytes, least, most)
	}
	return nil
}
