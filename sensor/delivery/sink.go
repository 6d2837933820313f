package delivery

import (
	"fmt"
	"io"

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
