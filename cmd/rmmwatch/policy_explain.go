package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/policy"
	"github.com/rmmwatch/rmmwatch/sensor/printable"
)

// explainFlags are what is known of a use.
type explainFlags struct {
	config, host, tool, at, vlan, tunnel word
	tenants, relays, peers               words
	format                               word
}

func (a *app) policyExplain() *cobra.Command {
	f := explainFlags{format: "table"}
	cmd := &cobra.Command{
		Use:   "explain --config FILE --host ADDRESS --tool TOOL",
		Short: "Show what the policy says of a use, which entry decided and why",
		Long: `Explain judges the use of a tool by a host as the sensor would, and shows the verdict,
the entry that decided with its place, and of each other entry of the tool why it
did not decide. --tenant, --relay and --peer are what was seen of the other side;
each may be repeated.`,
		Example: `  rmmwatch policy explain --config rmmwatch.yaml --host 10.1.2.3 --tool screenconnect \
    --tenant a1b2c3 --at 2026-11-23T20:15:00+01:00`,
		Args: wantArgs(cobra.NoArgs, "no arguments"),
		RunE: func(*cobra.Command, []string) error { return a.explainPolicy(&f) },
	}
	fl := cmd.Flags()
	fl.Var(&f.config, "config", "configuration file")
	fl.Var(&f.host, "host", "address of the host that uses the tool")
	fl.Var(&f.tool, "tool", "id of the tool, as rmmwatch rules list has it")
	fl.Var(&f.at, "at", "when, in RFC 3339 (default now)")
	fl.Var(&f.tenants, "tenant", "a tenant that was seen; may be repeated")
	fl.Var(&f.relays, "relay", "a name that the host talked to; may be repeated")
	fl.Var(&f.peers, "peer", "an address without a name that the host talked to; may be repeated")
	fl.Var(&f.vlan, "vlan", "the VLAN that the host is in")
	fl.Var(&f.tunnel, "tunnel", "the tunnel that the host is in, such as vxlan/5000")
	fl.Var(&f.format, "format", "table or json")
	return cmd
}

func (a *app) explainPolicy(f *explainFlags) error {
	if f.format != "table" && f.format != "json" {
		return usagef("--format %q is unknown; use table or json", f.format)
	}
	if f.host == "" || f.tool == "" {
		return usagef("--host and --tool say whose use of what is to be explained; see rmmwatch policy explain --help")
	}
	at, err := moment(f.at)
	if err != nil {
		return err
	}
	_, rules, p, err := loadPolicy(string(f.config))
	if err != nil {
		return err
	}
	u, err := f.use(rules)
	if err != nil {
		return err
	}
	u.Time = at.UnixNano()
	x := newExplained(p, u)
	if f.format == "json" {
		enc := json.NewEncoder(a.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(x)
	}
	return x.print(a.stdout)
}

// use is the use that the flags say.
func (f *explainFlags) use(rules *detect.Ruleset) (*policy.Use, error) {
	u := &policy.Use{Tool: rules.Tool(string(f.tool))}
	if u.Tool == nil {
		return nil, usagef("there is no tool %q; rmmwatch rules list names them all", f.tool)
	}
	var err error
	if u.Host, err = netip.ParseAddr(string(f.host)); err != nil || u.Host.Zone() != "" {
		return nil, usagef("--host %q is no address", f.host)
	}
	if f.vlan != "" {
		v, err := strconv.ParseUint(string(f.vlan), 10, 16)
		if err != nil || v < 1 || v > 4094 {
			return nil, usagef("--vlan %q is no number from 1 to 4094", f.vlan)
		}
		u.VLAN = uint16(v)
	}
	if f.tunnel != "" {
		t, err := policy.ParseTunnel(string(f.tunnel))
		if err != nil {
			return nil, usagef("--tunnel: %w", err)
		}
		u.Tunnel, u.TunnelID = t.Kind, t.ID
	}
	for _, t := range f.tenants {
		u.Contacts = append(u.Contacts, policy.Contact{Tenant: strings.ToLower(t)})
	}
	for _, name := range f.relays {
		if r, err := policy.ParseRelay(name); err != nil || r.Below || r.Name == "" {
			return nil, usagef("--relay %q is no name such as help.corp.example; an address goes with --peer", name)
		}
		u.Contacts = append(u.Contacts, named(rules, u.Tool, name))
	}
	for _, p := range f.peers {
		addr, err := netip.ParseAddr(p)
		if err != nil || addr.Zone() != "" {
			return nil, usagef("--peer %q is no address; a name goes with --relay", p)
		}
		u.Contacts = append(u.Contacts, policy.Contact{Addr: addr})
	}
	return u, nil
}

// named is the contact that a name in a ClientHello makes: the rules may know
// the name as the vendor's, and find a tenant in it.
func named(rules *detect.Ruleset, tool *detect.Tool, name string) policy.Contact {
	c := policy.Contact{Name: strings.ToLower(name)}
	fields := detect.Fields{Kind: detect.KindSNI, Proto: 6, Names: [][]byte{[]byte(c.Name)}}
	for _, h := range rules.Match(&fields, nil) {
		if h.Indicator.Tool != tool || h.Name < 0 {
			continue
		}
		c.Vendor = true
		if len(h.Tenant) > 0 {
			c.Tenant = string(h.Tenant)
		}
	}
	return c
}

// explained is what policy explain says, as its JSON.
type explained struct {
	Tool        string           `json:"tool"`
	Host        netip.Addr       `json:"host"`
	At          string           `json:"at"` // RFC 3339, UTC
	Verdict     policy.Verdict   `json:"verdict"`
	Provisional bool             `json:"provisional"`
	Why         string           `json:"why"`
	Entry       *explainedEntry  `json:"entry,omitempty"`
	Others      []explainedEntry `json:"others"`
}

type explainedEntry struct {
	Where  string `json:"where"` // file:line:column
	Entry  string `json:"entry"`
	Reason string `json:"reason,omitempty"`
	Why    string `json:"why,omitempty"` // it did not decide
}

func newExplained(p *policy.Policy, u *policy.Use) *explained {
	x := p.Explain(u)
	entry := func(i int, why string) explainedEntry {
		e := p.Entry(i)
		return explainedEntry{e.At.String(), e.String(), e.Reason, why}
	}
	out := &explained{
		Tool: u.Tool.ID, Host: u.Host.Unmap(), At: time.Unix(0, u.Time).UTC().Format(time.RFC3339), Verdict: x.Verdict, Provisional: x.Provisional, Why: x.Why, Others: []explainedEntry{},
	}
	if x.Entry >= 0 {
		e := entry(x.Entry, "")
		out.Entry = &e
	}
	for _, o := range x.Others {
		out.Others = append(out.Others, entry(o.Entry, o.Why))
	}
	return out
}

func (x *explained) print(out io.Writer) error {
	verdict := x.Verdict.String()
	if x.Provisional {
		verdict += ", provisionally"
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "verdict\t%s\n", verdict)
	fmt.Fprintf(w, "use\t%s by %s at %s\n", x.Tool, x.Host, x.At)
	fmt.Fprintf(w, "why\t%s\n", printable.Line(x.Why))
	if x.Entry != nil {
		fmt.Fprintf(w, "entry\t%s\n\t%s\n", printable.Line(x.Entry.Where), printable.Line(x.Entry.Entry))
		if x.Entry.Reason != "" {
			fmt.Fprintf(w, "reason\t%s\n", printable.Line(x.Entry.Reason))
		}
	}
	for i, o := range x.Others {
		key := ""
		if i == 0 {
			key = "others"
		}
		fmt.Fprintf(w, "%s\t%s\n\t  %s\n\t  %s\n", key, printable.Line(o.Where), printable.Line(o.Entry), printable.Line(o.Why))
	}
	return w.Flush()
}
