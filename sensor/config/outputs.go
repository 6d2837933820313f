package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/alert/format"
	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/output/elasticsearch"
	"github.com/rmmwatch/rmmwatch/sensor/output/file"
	"github.com/rmmwatch/rmmwatch/sensor/output/splunk"
	"github.com/rmmwatch/rmmwatch/sensor/output/syslog"
	"github.com/rmmwatch/rmmwatch/sensor/output/webhook"
)

// FormatTemplate is the format whose text is in a file of the operator's.
const FormatTemplate = "template"

// Output is one receiver of alerts. Exactly one of the sinks' settings is there.
type Output struct {
	Name     string // unique; names the queue
	Kind     string // syslog, webhook, file, splunk or elasticsearch
	Format   string // of format.Names, or FormatTemplate
	Template string // path, with FormatTemplate
	Filter   Filter
	Queue    Queue
	Batch    Batch
	Timeout  time.Duration // of one attempt to deliver a batch

	Syslog        *syslog.Config
	File          *file.Config
	Webhook       *webhook.Config
	Splunk        *splunk.Config
	Elasticsearch *elasticsearch.Config

	At      string // file:line:column of the output
	toolsAt string // of its filter by tools
}

// Filter says which alerts an output takes.
type Filter struct {
	MinSeverity alert.Severity
	Kinds       []string // of alert.Kinds; empty for all
	Tools       []string // ids; empty for all
}

// Queue bounds what waits for a receiver.
type Queue struct {
	MaxMiB int
	MaxAge time.Duration
}

// Batch says how many alerts go at once.
type Batch struct {
	Count int
	Bytes int
	Wait  time.Duration // for more, from the moment the first came
}

// CheckTools tells filters by tools that no rule has: each would drop in silence.
func (c *Config) CheckTools(known func(id string) bool) error {
	var r reader
	for _, o := range c.Outputs {
		for _, t := range o.Filter.Tools {
			if !known(t) {
				r.errs = append(r.errs, fmt.Errorf("%s: no rule has the tool %q; see rmmwatch rules list", o.toolsAt, t))
			}
		}
	}
	return errors.Join(r.errs...)
}

// Stdout reports whether an output writes to standard output.
func (c *Config) Stdout() bool {
	return slices.ContainsFunc(c.Outputs, func(o Output) bool { return o.File != nil && o.File.Path == "-" })
}

// KeepOutputs leaves only the outputs with these names; none leaves all.
func (c *Config) KeepOutputs(names []string) error {
	if len(names) == 0 {
		return nil
	}
	var kept []Output
	var known []string
	for _, o := range c.Outputs {
		known = append(known, o.Name)
		if slices.Contains(names, o.Name) {
			kept = append(kept, o)
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return fmt.Errorf("no output %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	c.Outputs = kept
	return nil
}

// isName is what the name of an output may be: it names files.
var isName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// output reads one entry of the list of outputs: a mapping from a kind to its settings.
func (r *reader) output(n *yaml.Node, c *Config) {
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 {
		r.fail(n, "an output is one kind with its settings, such as \"- syslog: {address: ...}\"; begin each with a dash")
		return
	}
	kinds := map[string]func(*outputReader){
		"syslog": (*outputReader).syslog, "webhook": (*outputReader).webhook, "file": (*outputReader).file,
		"splunk": (*outputReader).splunk, "elasticsearch": (*outputReader).elasticsearch,
	}
	kind, settings := n.Content[0], n.Content[1]
	read, ok := kinds[kind.Value]
	if !ok {
		r.fail(kind, "unknown kind of output %q; known are syslog, webhook, file, splunk, elasticsearch", kind.Value)
		return
	}
	o := &outputReader{reader: r, node: settings, config: c, out: Output{
		Name: kind.Value, Kind: kind.Value, At: fmt.Sprintf("%s:%d:%d", r.file, kind.Line, kind.Column), Format: "eve", Filter: Filter{MinSeverity: alert.SeverityLow},
		Queue: Queue{MaxMiB: 256, MaxAge: 7 * 24 * time.Hour}, Batch: Batch{Count: 100, Bytes: 1 << 20}, Timeout: 30 * time.Second,
	}}
	o.had = len(r.errs)
	read(o)
	if len(r.errs) == o.had {
		o.finish(kind)
	}
}

// outputReader reads the settings of one output.
type outputReader struct {
	*reader
	node   *yaml.Node
	config *Config
	out    Output
	had    int // mistakes before this output
}

// settings reads the keys of a sink together with those of every output.
func (o *outputReader) settings(own keys) {
	out := &o.out
	all := keys{
		"name": func(n *yaml.Node) {
			if out.Name = o.text(n); out.Name != "" && !isName.MatchString(out.Name) {
				o.fail(n, "a name has letters, digits, '-' and '_', at most 64")
			}
		},
		"format":        func(n *yaml.Node) { out.Format = o.oneOf(n, append(slices.Clone(format.Names), FormatTemplate)...) },
		"template_file": func(n *yaml.Node) { out.Template = o.path(n) },
		"min_severity": func(n *yaml.Node) {
			out.Filter.MinSeverity = alert.Severity(slices.Index(alert.Severities, o.oneOf(n, alert.Severities...)) + 1)
		},
		"kinds": func(n *yaml.Node) {
			o.list(n, func(n *yaml.Node) { out.Filter.Kinds = append(out.Filter.Kinds, o.oneOf(n, kindNames()...)) })
		},
		"tools": func(n *yaml.Node) {
			out.toolsAt = fmt.Sprintf("%s:%d:%d", o.reader.file, n.Line, n.Column)
			o.list(n, func(n *yaml.Node) { out.Filter.Tools = append(out.Filter.Tools, o.text(n)) })
		},
		"queue": func(n *yaml.Node) {
			o.mapping(n, "queue", keys{
				"max_mib": func(n *yaml.Node) { out.Queue.MaxMiB = o.number(n, 1, 1<<20) },
				"max_age": func(n *yaml.Node) { out.Queue.MaxAge = o.duration(n, time.Minute, 366*24*time.Hour) },
			})
		},
		"timeout": func(n *yaml.Node) { out.Timeout = o.duration(n, time.Second, 10*time.Minute) },
	}
	for k, read := range own {
		all[k] = read
	}
	o.mapping(o.node, "output "+out.Kind, all)
	if (out.Format == FormatTemplate) != (out.Template != "") {
		o.fail(o.node, "format: template and template_file belong together")
	}
}

func kindNames() (out []string) {
	for _, k := range alert.Kinds {
		out = append(out, string(k))
	}
	return out
}

// batch reads the size of batches.
func (o *outputReader) batch(more keys) func(*yaml.Node) {
	return func(n *yaml.Node) {
		all := keys{
			"count": func(n *yaml.Node) { o.out.Batch.Count = o.number(n, 1, 10_000) },
			"bytes": func(n *yaml.Node) { o.out.Batch.Bytes = o.number(n, 1, 64<<20) },
			"wait":  func(n *yaml.Node) { o.out.Batch.Wait = o.duration(n, 0, time.Hour) },
		}
		for k, read := range more {
			all[k] = read
		}
		o.mapping(n, "batch", all)
	}
}

// finish takes the output into the configuration, unless its name is taken.
func (o *outputReader) finish(kind *yaml.Node) {
	for _, other := range o.config.Outputs {
		if strings.EqualFold(other.Name, o.out.Name) { // on some systems the files that they name are the same
			o.fail(kind, "there is another output %q; give one of them a `name`", other.Name)
		}
		if f := o.out.File; f != nil && other.File != nil && filepath.Clean(f.Path) == filepath.Clean(other.File.Path) {
			o.fail(kind, "output %s writes to %s too", other.Name, f.Path)
		}
	}
	o.config.Outputs = append(o.config.Outputs, o.out)
}

// flag reads true or false.
func (r *reader) flag(n *yaml.Node) bool { return r.oneOf(n, "true", "false") == "true" }

// path reads the name of a file, which counts from the folder of the
// configuration when it is relative.
func (r *reader) path(n *yaml.Node) string {
	s := r.text(n)
	if s == "" || filepath.IsAbs(s) {
		return s
	}
	return filepath.Join(filepath.Dir(r.file), s)
}

// secret reads keys such as token_file and token_env into s.
func (r *reader) secret(k keys, name string, s *output.Secret) {
	k[name+"_file"] = func(n *yaml.Node) { s.File = r.path(n) }
	k[name+"_env"] = func(n *yaml.Node) { s.Env = r.text(n) }
}

// tls reads the keys that say whom to trust and who we are.
func (r *reader) tls(k keys, t *output.TLS) {
	k["ca_file"] = func(n *yaml.Node) { t.CAFile = r.path(n) }
	k["cert_file"] = func(n *yaml.Node) { t.CertFile = r.path(n) }
	k["key_file"] = func(n *yaml.Node) { t.KeyFile = r.path(n) }
}
