package intel

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// maxRowsShown bounds the rows of a table on a terminal.
const maxRowsShown = 200

// Summary says in a line what became of the entries, and in further lines why
// some were quarantined, the most frequent reason first.
func (p *Pack) Summary() []string {
	entries := "entries"
	if len(p.Rows) == 1 {
		entries = "entry"
	}
	lines := []string{fmt.Sprintf("%d %s: %d imported, %d merged, %d quarantined", len(p.Rows), entries, p.Count(Imported), p.Count(Merged), p.Count(Quarantined))}
	counts := make(map[Reason]int)
	var reasons []Reason
	for i := range p.Rows {
		if r := p.Rows[i].Reason; r != "" {
			if counts[r] == 0 {
				reasons = append(reasons, r)
			}
			counts[r]++
		}
	}
	slices.SortFunc(reasons, func(a, b Reason) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(string(a), string(b))
	})
	for _, r := range reasons {
		lines = append(lines, fmt.Sprintf("%7d %s", counts[r], r))
	}
	return lines
}

// Table writes the entries that were not imported as a table for a person, at
// most 200 of them.
func (p *Pack) Table(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	shown, left := 0, 0
	for i := range p.Rows {
		r := &p.Rows[i]
		if r.Outcome == Imported {
			continue
		}
		if shown == maxRowsShown {
			left++
			continue
		}
		if shown == 0 {
			fmt.Fprintln(tw, "ENTRY\tWHERE\tOUTCOME\tWHY")
		}
		shown++
		why := strings.TrimPrefix(string(r.Reason)+": "+Clean(r.Detail, 120), ": ")
		fmt.Fprintf(tw, "%s\t%s:%d\t%s\t%s\n", Clean(r.Text, 60), Clean(r.File, 120), r.Line, r.Outcome, why)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if left > 0 {
		_, err := fmt.Fprintf(w, "%d more; a report (--report FILE) has them all\n", left)
		return err
	}
	return nil
}

// reportHead are the columns of a report, and the keys of its JSON form.
var reportHead = []string{"entry", "file", "line", "outcome", "reason", "detail", "tool", "indicator"}

func (r *Row) cells() []string {
	return []string{Clean(r.Text, 1000), Clean(r.File, 1000), strconv.Itoa(r.Line), string(r.Outcome), string(r.Reason), Clean(r.Detail, 1000), r.Tool, r.Indicator}
}

// CSV writes all rows, with a line of headings. A cell that a spreadsheet would take
// for a formula gets an apostrophe in front.
func (p *Pack) CSV(w io.Writer) error {
	c := csv.NewWriter(w)
	if err := c.Write(reportHead); err != nil {
		return err
	}
	for i := range p.Rows {
		cells := p.Rows[i].cells()
		for j, s := range cells {
			if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
				cells[j] = "'" + s
			}
		}
		if err := c.Write(cells); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// JSON writes all rows as an object with the totals.
func (p *Pack) JSON(w io.Writer) error {
	type row struct {
		Entry     string  `json:"entry"`
		File      string  `json:"file"`
		Line      int     `json:"line"`
		Outcome   Outcome `json:"outcome"`
		Reason    Reason  `json:"reason,omitempty"`
		Detail    string  `json:"detail,omitempty"`
		Tool      string  `json:"tool,omitempty"`
		Indicator string  `json:"indicator,omitempty"`
	}
	rows := make([]row, len(p.Rows))
	for i := range p.Rows {
		r, c := &p.Rows[i], p.Rows[i].cells()
		rows[i] = row{c[0], c[1], r.Line, r.Outcome, r.Reason, c[5], r.Tool, r.Indicator}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		Entries     int   `json:"entries"`
		Imported    int   `json:"imported"`
		Merged      int   `json:"merged"`
		Quarantined int   `json:"quarantined"`
		Rows        []row `json:"rows"`
	}{len(rows), p.Count(Imported), p.Count(Merged), p.Count(Quarantined), rows})
}
