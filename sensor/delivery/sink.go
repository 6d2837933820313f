package delivery

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/output/elasticsearch"
	"github.com/rmmwatch/rmmwatch/sensor/output/file"
	"github.com/rmmwatch/rmmwatch/sensor/output/splunk"
	"github.com/rmmwatch/rmmwatch/sensor/output/syslog"
	"github.com/rmmwatch/rmmwatch/sensor/output/webhook"
)

// sink is one that can say where it delivers to, without secrets.
type sink interface {
	output.Sink
	Describe() string
}

// newSink makes the sink of an output. log is told what goes wrong beside Send;
// nil is silent.
func newSink(c *config.Output, stdout io.Writer, log func(string, error)) (sink, error) {
	switch {
	case c.Syslog != nil:
		f := *c.Syslog
		f.Log = log
		return syslog.New(f)
	case c.Webhook != nil:
		return webhook.New(*c.Webhook)
	case c.File != nil:
		f := *c.File
		f.Stdout, f.Log = stdout, log
		return file.New(f)
	case c.Splunk != nil:
		return splunk.New(*c.Splunk)
	case c.Elasticsearch != nil:
		return elasticsearch.New(*c.Elasticsearch)
	}
	return nil, fmt.Errorf("output %s has no settings", c.Name)
}

// Check judges every output without sending anything: its settings, secrets,
// certificates and template.
func Check(cfg *config.Config) error {
	var errs []error
	for i := range cfg.Outputs {
		c := &cfg.Outputs[i]
		_, err := Encoder(c.Format, c.Template, func(uint32) string { return "" })
		var s sink
		if err == nil {
			s, err = newSink(c, io.Discard, nil)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.At, err))
			continue
		}
		s.Close()
	}
	return errors.Join(errs...)
}

// Paths returns the files that outputs read and write while they work, for a
// process that gives up the right to all others.
func Paths(cfg *config.Config) (read, write []string) {
	for i := range cfg.Outputs {
		c := &cfg.Outputs[i]
		var t output.TLS
		var secrets []output.Secret
		switch {
		case c.Syslog != nil:
			t = c.Syslog.TLS
			if c.Syslog.Network == "unix" {
				write = append(write, c.Syslog.Address)
			}
		case c.File != nil:
			if c.File.Path != "-" {
				write = append(write, c.File.Path)
			}
		case c.Webhook != nil:
			t = c.Webhook.TLS
			secrets = append(append(secrets, c.Webhook.Secrets...), c.Webhook.URLFrom)
			for _, s := range c.Webhook.Header { // any order
				secrets = append(secrets, s)
			}
		case c.Splunk != nil:
			t, secrets = c.Splunk.TLS, append(secrets, c.Splunk.Token)
		case c.Elasticsearch != nil:
			t, secrets = c.Elasticsearch.TLS, append(secrets, c.Elasticsearch.APIKey, c.Elasticsearch.Password)
		}
		for _, s := range secrets {
			read = append(read, s.File)
		}
		read = append(read, t.CAFile, t.CertFile, t.KeyFile)
	}
	none := func(s string) bool { return s == "" }
	return slices.DeleteFunc(read, none), slices.DeleteFunc(write, none)
}
