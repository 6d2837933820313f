package config

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Capture says what a live sensor reads.
type Capture struct {
	Interfaces     []string
	RingMiB        int    // memory of the rings of one interface
	Workers        int    // rings and workers of each interface; at least 1
	Ignore         Ignore // what the kernel drops
	BPFFile        string // a program that tcpdump -ddd printed, which must accept too; "" for none
	Shunt          string // auto, on or off
	Promiscuous    bool
	IgnoreOutgoing bool
	Silence        time.Duration // without a packet, after which an interface is blind
}

// Ignore is what the kernel drops before the sensor sees it.
type Ignore struct {
	Networks []netip.Prefix // either side
	Ports    []uint16       // either side
	VLANs    []uint16
}

func defaultCapture() Capture {
	return Capture{RingMiB: 256, Workers: runtime.NumCPU(), Shunt: "auto", Promiscuous: true, Silence: 5 * time.Minute}
}

func (r *reader) capture(n *yaml.Node, c *Capture) {
	r.mapping(n, "capture", keys{
		"interfaces": func(n *yaml.Node) {
			r.list(n, func(n *yaml.Node) { c.Interfaces = append(c.Interfaces, r.interfaceName(n)) })
		},
		"ring_mib": func(n *yaml.Node) { c.RingMiB = r.number(n, 1, 64<<10) },
		"workers": func(n *yaml.Node) {
			if c.Workers = r.number(n, 0, 256); c.Workers == 0 {
				c.Workers = runtime.NumCPU()
			}
		},
		"ignore": func(n *yaml.Node) {
			r.mapping(n, "ignore", keys{
				"networks": func(n *yaml.Node) {
					r.list(n, func(n *yaml.Node) { c.Ignore.Networks = append(c.Ignore.Networks, r.prefix(n)) })
				},
				"ports": func(n *yaml.Node) {
					r.list(n, func(n *yaml.Node) { c.Ignore.Ports = append(c.Ignore.Ports, uint16(r.number(n, 1, 65535))) })
				},
				"vlans": func(n *yaml.Node) {
					r.list(n, func(n *yaml.Node) { c.Ignore.VLANs = append(c.Ignore.VLANs, uint16(r.number(n, 1, 4094))) })
				},
			})
		},
		"bpf_file":        func(n *yaml.Node) { c.BPFFile = r.path(n) },
		"shunt":           func(n *yaml.Node) { c.Shunt = r.oneOf(n, "auto", "on", "off") },
		"promiscuous":     func(n *yaml.Node) { c.Promiscuous = r.flag(n) },
		"ignore_outgoing": func(n *yaml.Node) { c.IgnoreOutgoing = r.flag(n) },
		"silence":         func(n *yaml.Node) { c.Silence = r.duration(n, 10*time.Second, 7*24*time.Hour) },
	})
}

// CheckInterface says why a name cannot be that of an interface; Linux takes 15
// bytes without slash and space.
func CheckInterface(name string) error {
	if name == "" || len(name) > 15 || name == "." || name == ".." || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == '/' || r > '~' }) {
		return fmt.Errorf("%q is not the name of an interface", name)
	}
	return nil
}

func (r *reader) interfaceName(n *yaml.Node) string {
	s := r.text(n)
	if err := CheckInterface(s); s != "" && err != nil {
		r.fail(n, "%s", err)
	}
	return s
}

// listen reads an address to listen at.
func (r *reader) listen(n *yaml.Node) string {
	s := r.text(n)
	if _, err := netip.ParseAddrPort(s); s != "" && err != nil {
		r.fail(n, "want an address with a port, such as 127.0.0.1:9477")
	}
	return s
}
