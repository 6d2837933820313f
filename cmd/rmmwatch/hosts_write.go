package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/ledger"
)

// maxWith is how much of a tenant or relay the table shows: its end, which says
// whose a name is.
const maxWith = 48

func (a *app) hostsTable(list []ledger.Entry) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "HOST\tTOOL\tVERDICT\tFIRST\tLAST\tDAYS\tUP\tDOWN\tWITH")
	minute := func(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02 15:04") }
	for i := range list {
		e := &list[i]
		verdict := strings.Join(values(e.Verdicts.ByTime()), ", ")
		if verdict == "" {
			verdict = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", e.Host, e.Tool, verdict, minute(e.First), minute(e.Last), e.Days,
			bytesText(e.Up), bytesText(e.Down), with(e))
	}
	return w.Flush()
}

// with is the most used tenant, or relay where no name has one.
func with(e *ledger.Entry) string {
	l := &e.Tenants
	if len(l.Items) == 0 {
		l = &e.Relays
	}
	all := values(l.ByUse())
	if len(all) == 0 {
		return "-"
	}
	s := all[0]
	if len(s) > maxWith {
		s = "..." + s[len(s)-maxWith+3:]
	}
	if more := uint64(len(all)-1) + l.More; more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s
}

// bytesText writes a volume as a person reads it, in powers of 1000.
func bytesText(n uint64) string {
	if n < 1000 {
		return strconv.FormatUint(n, 10) + " B"
	}
	f, unit := float64(n), ""
	for _, unit = range []string{"kB", "MB", "GB", "TB", "PB", "EB"} {
		if f /= 1000; f < 999.5 {
			break
		}
	}
	digits := 0
	if f < 9.95 {
		digits = 1
	}
	return strconv.FormatFloat(f, 'f', digits, 64) + " " + unit
}

// hostJSON is an entry as scripts read it. A key is there also where it is empty.
type hostJSON struct {
	Host        string    `json:"host"`
	VLAN        uint16    `json:"vlan"`
	Tunnel      string    `json:"tunnel"`
	TunnelID    uint32    `json:"tunnel_id"`
	Tool        string    `json:"tool"`
	Class       string    `json:"class"`
	Verdict     string    `json:"verdict"`  // the latest
	Verdicts    []string  `json:"verdicts"` // latest first
	First       time.Time `json:"first"`
	Last        time.Time `json:"last"`
	Days        uint32    `json:"days"`
	Up          uint64    `json:"up"` // bytes from the host
	Down        uint64    `json:"down"`
	Tenants     []string  `json:"tenants"` // most days first
	TenantsMore uint64    `json:"tenants_more"`
	Relays      []string  `json:"relays"`
	RelaysMore  uint64    `json:"relays_more"`
}

func toJSON(e *ledger.Entry) hostJSON {
	return hostJSON{
		Host: e.Host.Addr.String(), VLAN: e.Host.VLAN, Tunnel: e.Host.Tunnel, TunnelID: e.Host.TunnelID, Tool: e.Tool, Class: e.Class,
		Verdict: e.Verdict(), Verdicts: values(e.Verdicts.ByTime()), First: time.Unix(0, e.First).UTC(), Last: time.Unix(0, e.Last).UTC(),
		Days: e.Days, Up: e.Up, Down: e.Down, Tenants: values(e.Tenants.ByUse()), TenantsMore: e.Tenants.More,
		Relays: values(e.Relays.ByUse()), RelaysMore: e.Relays.More,
	}
}

func (a *app) hostsJSON(list []ledger.Entry) error {
	out := make([]hostJSON, 0, len(list))
	for i := range list {
		out = append(out, toJSON(&list[i]))
	}
	enc := json.NewEncoder(a.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

func (a *app) hostsCSV(list []ledger.Entry) error {
	w := csv.NewWriter(a.stdout)
	w.Write([]string{"host", "vlan", "tunnel", "tunnel_id", "tool", "class", "verdict", "verdicts", "first", "last", "days", "up", "down",
		"tenants", "tenants_more", "relays", "relays_more"})
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	for i := range list {
		h := toJSON(&list[i])
		w.Write([]string{h.Host, number(uint64(h.VLAN)), cells(h.Tunnel), number(uint64(h.TunnelID)), cells(h.Tool), cells(h.Class), cells(h.Verdict), cells(h.Verdicts...),
			h.First.Format(time.RFC3339Nano), h.Last.Format(time.RFC3339Nano), number(uint64(h.Days)), number(h.Up), number(h.Down),
			cells(h.Tenants...), number(h.TenantsMore), cells(h.Relays...), number(h.RelaysMore)})
	}
	w.Flush()
	return w.Error()
}

// separators are what a spreadsheet may take for the end of a cell, whatever
// language it speaks, and what separates values within one here.
var separators = strings.NewReplacer(" ", `\x20`, ",", `\x2c`, ";", `\x3b`, "\t", `\x09`, "|", `\x7c`, `"`, `\x22`)

// cells joins values from the wire for one cell of a table of CSV. A value that a
// spreadsheet would compute gets an apostrophe in front (OWASP, CSV Injection).
func cells(values ...string) string {
	out := make([]string, 0, len(values))
	for _, v := range values {
		v = separators.Replace(v)
		if v != "" && strings.ContainsRune("=+-@", rune(v[0])) {
			v = "'" + v
		}
		out = append(out, v)
	}
	return strings.Join(out, " ")
}
