// Package config reads the configuration file: one strict YAML document whose
// every mistake is reported as file:line:column. cmd loads it; nothing below
// the assembly sees it. It must never hold a setting that does nothing.
package config

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
	"github.com/rmmwatch/rmmwatch/sensor/policy"
	"github.com/rmmwatch/rmmwatch/sensor/yamldoc"
)

// Config is the configuration with its defaults filled in.
type Config struct {
	Sensor string         // names this sensor to receivers of syslog; "" for none
	Home   []netip.Prefix // networks whose hosts alerts are about
	// HomeDomains are the domains of these networks, in lower case: names below them
	// imitate nobody.
	HomeDomains []string
	Rules       []string // "embedded", or paths of files and directories
	Packs       Packs
	Alerts      Alerts
	Memory      Memory
	Capture     Capture
	Ledger      Ledger
	HTTP        string         // address with port to serve metrics and health at; "" for none
	State       string         // folder of what outlives the program; "" for none
	Outputs     []Output       // receivers of alerts
	GeoIP       GeoIP          // databases of countries and autonomous systems
	Sanctioned  []policy.Entry // the remote access that is ours; see docs/policy.md
}

// Alerts says what becomes an alert.
type Alerts struct {
	MinConfidence string              // low, medium or high
	Idle          time.Duration       // silence, in packet time, after which an alert is closed
	Kinds         map[alert.Kind]bool // switched on or off; the others are as by default
	Budget        int                 // alerts told in a minute; 0 for any number
}

// Memory is the budget that one worker takes at its start.
type Memory struct {
	Flows     int // live flows
	Heads     int // flows whose first bytes are being collected at one time
	Fragments int // IP datagrams being reassembled at one time
}

// Default is the configuration without a file.
func Default() Config {
	return Config{
		Home: []netip.Prefix{
			netip.MustParsePrefix("10.0.0.0/8"),
			netip.MustParsePrefix("172.16.0.0/12"),
			netip.MustParsePrefix("192.168.0.0/16"),
			netip.MustParsePrefix("fc00::/7"),
		},
		Rules:   []string{"embedded"},
		Alerts:  Alerts{MinConfidence: "medium", Idle: 15 * time.Minute},
		Memory:  Memory{Flows: 200_000, Heads: 4096, Fragments: 256},
		Capture: defaultCapture(),
		Ledger:  defaultLedger(),
	}
}

// maxFile bounds a configuration file, in bytes: some thousand times a real one.
const maxFile = 1 << 20

// Load reads the file at path. A relative path in it counts from the file's
// own folder. The error lists every mistake, one a line.
func Load(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	if len(raw) > maxFile {
		return Config{}, fmt.Errorf("configuration: %s is larger than 1 MiB", path)
	}
	c, err := Parse(path, raw)
	if err != nil {
		return Config{}, err
	}
	for i, r := range c.Rules {
		if r != "embedded" && !filepath.IsAbs(r) {
			c.Rules[i] = filepath.Join(filepath.Dir(path), r)
		}
	}
	return c, nil
}

// Parse reads a configuration from raw; name stands for it in errors.
func Parse(name string, raw []byte) (Config, error) {
	c := Default()
	root, err := yamldoc.Parse(raw)
	switch {
	case err != nil:
		return Config{}, fmt.Errorf("%s:%w", name, err)
	case root == nil || root.Tag == "!!null":
		return c, nil // an empty file changes nothing
	}
	r := reader{file: name}
	var outputs *yaml.Node
	r.mapping(root, "the configuration", keys{
		"sensor": func(n *yaml.Node) {
			if c.Sensor = r.text(n); strings.ContainsFunc(c.Sensor, func(r rune) bool { return r <= ' ' || r > '~' }) || len(c.Sensor) > 255 {
				r.fail(n, "the sensor's name has printable ASCII characters without spaces, at most 255")
			}
		},
		"capture": func(n *yaml.Node) { r.capture(n, &c.Capture) },
		"ledger":  func(n *yaml.Node) { r.ledger(n, &c.Ledger) },
		"http":    func(n *yaml.Node) { c.HTTP = r.listen(n) },
		"state":   func(n *yaml.Node) { c.State = r.path(n) },
		"outputs": func(n *yaml.Node) { outputs = n },
		"geoip":   func(n *yaml.Node) { r.geoip(n, &c.GeoIP) },
		"sanctioned": func(n *yaml.Node) {
			r.list(n, func(n *yaml.Node) { c.Sanctioned = append(c.Sanctioned, r.sanctioned(n)) })
		},
		"home": func(n *yaml.Node) {
			c.Home = nil
			r.list(n, func(n *yaml.Node) { c.Home = append(c.Home, r.prefix(n)) })
		},
		"home_domains": func(n *yaml.Node) {
			r.list(n, func(n *yaml.Node) { c.HomeDomains = append(c.HomeDomains, r.domain(n)) })
		},
		"rules": func(n *yaml.Node) {
			c.Rules = nil
			r.list(n, func(n *yaml.Node) { c.Rules = append(c.Rules, r.text(n)) })
		},
		"packs": func(n *yaml.Node) { r.packs(n, &c.Packs) },
		"alerts": func(n *yaml.Node) {
			r.mapping(n, "alerts", keys{
				"min_confidence": func(n *yaml.Node) { c.Alerts.MinConfidence = r.oneOf(n, "low", "medium", "high") },
				"kinds":          func(n *yaml.Node) { c.Alerts.Kinds = r.kinds(n) },
				"budget":         func(n *yaml.Node) { c.Alerts.Budget = r.number(n, 0, 1_000_000) },
				"idle":           func(n *yaml.Node) { c.Alerts.Idle = r.duration(n, time.Second, 30*24*time.Hour) },
			})
		},
		"memory": func(n *yaml.Node) {
			r.mapping(n, "memory", keys{
				"flows":     func(n *yaml.Node) { c.Memory.Flows = r.number(n, 1000, 50_000_000) },
				"heads":     func(n *yaml.Node) { c.Memory.Heads = r.number(n, 64, 1<<20) },
				"fragments": func(n *yaml.Node) { c.Memory.Fragments = r.number(n, 16, 1<<16) },
			})
		},
	})
	if outputs != nil { // last: they use other settings
		r.list(outputs, func(n *yaml.Node) { r.output(n, &c) })
		if c.State == "" {
			r.fail(outputs, "outputs need `state`, a folder where alerts wait until they are delivered")
		}
	}
	if len(r.errs) > 0 {
		return Config{}, errors.Join(r.errs...)
	}
	return c, nil
}
