package config

import (
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rmmwatch/rmmwatch/sensor/output"
	"github.com/rmmwatch/rmmwatch/sensor/output/elasticsearch"
	"github.com/rmmwatch/rmmwatch/sensor/output/file"
	"github.com/rmmwatch/rmmwatch/sensor/output/splunk"
	"github.com/rmmwatch/rmmwatch/sensor/output/syslog"
	"github.com/rmmwatch/rmmwatch/sensor/output/web"
	"github.com/rmmwatch/rmmwatch/sensor/output/webhook"
)

func (o *outputReader) syslog() {
	c := syslog.Config{Hostname: o.config.Sensor}
	o.out.Syslog = &c
	yes := func(v **bool) func(*yaml.Node) {
		return func(n *yaml.Node) { b := o.flag(n); *v = &b }
	}
	own := keys{
		"address": func(n *yaml.Node) {
			network, address, ok := strings.Cut(o.text(n), "://")
			c.Network, c.Address = network, address
			_, _, err := net.SplitHostPort(address)
			if !ok || !slices.Contains([]string{"udp", "tcp", "tls", "unix"}, network) || network != "unix" && err != nil {
				o.fail(n, "want udp://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT or unix:///PATH")
			}
		},
		"framing": func(n *yaml.Node) {
			c.Framing = syslog.Framing(o.oneOf(n, string(syslog.OctetCounted), string(syslog.Newline)))
		},
		"facility":        func(n *yaml.Node) { c.Facility = o.text(n) },
		"hostname":        func(n *yaml.Node) { c.Hostname = o.text(n) },
		"app_name":        func(n *yaml.Node) { c.AppName = o.text(n) },
		"enterprise":      func(n *yaml.Node) { c.Enterprise = uint32(o.number(n, 1, 1<<32-1)) },
		"max_bytes":       func(n *yaml.Node) { c.MaxBytes = o.number(n, 480, 1<<20) },
		"structured_data": yes(&c.StructuredData),
		"confirm":         yes(&c.Confirm),
	}
	o.tls(own, &c.TLS)
	o.settings(own)
	o.need(c.Address != "", "address")
	c.Timeout = o.out.Timeout
}

func (o *outputReader) file() {
	c := file.Config{}
	o.out.File = &c
	o.settings(keys{
		"path": func(n *yaml.Node) {
			if c.Path = o.text(n); c.Path != "-" {
				c.Path = o.path(n)
			}
		},
		"rotate_mib":   func(n *yaml.Node) { c.RotateMiB = o.number(n, 1, 1<<20) },
		"rotate_every": func(n *yaml.Node) { c.RotateEvery = o.duration(n, time.Minute, 366*24*time.Hour) },
		"keep":         func(n *yaml.Node) { c.Keep = o.number(n, 1, 100_000) },
		"compress": func(n *yaml.Node) {
			c.Compress = file.Compress(o.oneOf(n, string(file.None), string(file.Gzip), string(file.Zstd)))
		},
	})
	o.need(c.Path != "", "path")
}

// web reads the keys of everything that speaks HTTP.
func (o *outputReader) web(own keys, w *web.Options) {
	own["gzip"] = func(n *yaml.Node) { w.Gzip = o.flag(n) }
	own["proxy"] = func(n *yaml.Node) { w.Proxy = o.text(n) }
	o.tls(own, &w.TLS)
	w.Timeout = 20 * time.Second
	o.out.Timeout = w.Timeout
	o.settings(own)
	w.Timeout = o.out.Timeout
	o.out.Timeout += 10 * time.Second // a refused batch is sent again one by one
}

func (o *outputReader) webhook() {
	c := webhook.Config{}
	o.out.Webhook = &c
	o.out.Batch.Count = 1
	var signing output.Secret
	own := keys{
		"content_type": func(n *yaml.Node) { c.ContentType = o.text(n) },
		"secret_files": func(n *yaml.Node) {
			o.list(n, func(n *yaml.Node) { c.Secrets = append(c.Secrets, output.Secret{File: o.path(n)}) })
		},
		"headers": func(n *yaml.Node) { c.Header = o.headers(n) },
		"batch": o.batch(keys{
			"mode": func(n *yaml.Node) {
				c.Batch = webhook.Batch(o.oneOf(n, string(webhook.Single), string(webhook.Array), string(webhook.Lines)))
				if c.Batch != webhook.Single && o.out.Batch.Count == 1 {
					o.out.Batch.Count = 100
				}
			},
		}),
	}
	o.secret(own, "url", &c.URLFrom)
	o.secret(own, "secret", &signing)
	own["url"] = func(n *yaml.Node) { c.URL = o.url(n) }
	o.web(own, &c.Options)
	if !signing.IsZero() {
		c.Secrets = append(c.Secrets, signing)
	}
	if (c.Batch == "" || c.Batch == webhook.Single) && o.out.Batch.Count != 1 {
		o.fail(o.node, "batch: several alerts in a request need mode: array or mode: lines")
	}
	o.need(c.URL != "" || !c.URLFrom.IsZero(), "url, url_file or url_env")
	if c.Batch == webhook.Array {
		o.wantJSON("batch: {mode: array}")
	}
}

// headers reads fields whose values are secrets.
func (o *outputReader) headers(n *yaml.Node) map[string]output.Secret {
	out := map[string]output.Secret{}
	if n.Kind != yaml.MappingNode {
		o.fail(n, "headers must be a mapping from a name to {file: PATH} or {env: NAME}")
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		var s output.Secret
		o.mapping(n.Content[i+1], "a header", keys{
			"file": func(n *yaml.Node) { s.File = o.path(n) },
			"env":  func(n *yaml.Node) { s.Env = o.text(n) },
		})
		out[n.Content[i].Value] = s
	}
	return out
}

func (o *outputReader) splunk() {
	c := splunk.Config{}
	o.out.Splunk = &c
	own := keys{
		"url":        func(n *yaml.Node) { c.URL = o.url(n) },
		"index":      func(n *yaml.Node) { c.Index = o.text(n) },
		"source":     func(n *yaml.Node) { c.Source = o.text(n) },
		"sourcetype": func(n *yaml.Node) { c.SourceType = o.text(n) },
		"channel":    func(n *yaml.Node) { c.Channel = o.text(n) },
		"ack":        func(n *yaml.Node) { c.Ack = o.flag(n) },
		"ack_wait":   func(n *yaml.Node) { c.AckWait = o.duration(n, time.Second, time.Hour) },
		"batch":      o.batch(nil),
	}
	o.secret(own, "token", &c.Token)
	o.web(own, &c.Options)
	o.need(c.URL != "", "url")
	o.need(!c.Token.IsZero(), "token_file or token_env")
}

func (o *outputReader) elasticsearch() {
	c := elasticsearch.Config{}
	o.out.Elasticsearch = &c
	o.out.Format = "ecs"
	own := keys{
		"url":   func(n *yaml.Node) { c.URL = o.url(n) },
		"index": func(n *yaml.Node) { c.Index = o.text(n) },
		"user":  func(n *yaml.Node) { c.User = o.text(n) },
		"batch": o.batch(nil),
	}
	o.secret(own, "api_key", &c.APIKey)
	o.secret(own, "password", &c.Password)
	o.web(own, &c.Options)
	o.need(c.URL != "", "url")
	o.need(c.Index != "", "index")
	o.wantJSON("elasticsearch")
}

// wantJSON refuses formats that are no JSON. What a template makes shows when it
// is used.
func (o *outputReader) wantJSON(who string) {
	if f := o.out.Format; f == "cef" || f == "leef" {
		o.fail(o.node, "%s takes JSON, which %s is not: use eve, ecs, ocsf or a template", who, f)
	}
}

// url reads the address of a receiver of HTTP. A mistake is told without it: it may
// hold a token.
func (o *outputReader) url(n *yaml.Node) string {
	s := o.text(n)
	u, err := url.Parse(s)
	if s != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		o.fail(n, "want https://HOST or http://HOST, with a port and a path where there are some")
	}
	return s
}

// need says that a key is missing. One that is there with a mistake is not.
func (o *outputReader) need(there bool, key string) {
	if !there && len(o.errs) == o.had {
		o.fail(o.node, "output %s needs %s", o.out.Kind, key)
	}
}
