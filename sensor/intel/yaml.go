package intel

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rmmwatch/rmmwatch/sensor/yamldoc"
)

// maxYAML is the largest YAML file, in bytes: that of LOLRMM with the longest
// certificates has 60 kB, and the library takes seconds for a hostile 1 MiB.
const maxYAML = 1 << 20

// YAML parses the documents of data, those that are empty left out. Lines are
// counted from the start of data. Aliases are refused: a few of them can stand
// for gigabytes.
func YAML(data []byte) ([]*yaml.Node, error) {
	if len(data) > maxYAML {
		return nil, fmt.Errorf("line 1: %d bytes; at most 1 MiB of YAML", len(data))
	}
	var docs []*yaml.Node
	lines := bytes.SplitAfter(data, []byte("\n"))
	for start := 0; start < len(lines); {
		end := start + 1
		for end < len(lines) && !separator(lines[end]) {
			end++
		}
		if separator(lines[start]) && bytes.HasPrefix(lines[start], []byte("---")) {
			lines[start] = append([]byte("   "), lines[start][3:]...) // what stands behind the marks belongs to the document
		}
		doc, err := document(bytes.Join(lines[start:end], nil), start)
		if err != nil {
			return nil, err
		}
		if doc != nil {
			docs = append(docs, doc)
		}
		start = end
	}
	return docs, nil
}

// separator reports whether a new document starts with line.
func separator(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	return ok && (len(bytes.TrimSpace(rest)) == 0 || rest[0] == ' ' || rest[0] == '\t')
}

func document(data []byte, skipped int) (*yaml.Node, error) {
	doc, err := yamldoc.Parse(data)
	if e := new(yamldoc.Error); errors.As(err, &e) {
		return nil, fmt.Errorf("line %d: %s", e.Line+skipped, Clean(e.Msg, 200))
	}
	if doc == nil {
		return nil, nil
	}
	if n := shift(doc, skipped, 0); n != nil {
		return nil, fmt.Errorf("line %d: an alias, or values nested deeper than %d levels", n.Line, maxDepth)
	}
	return doc, nil
}

// shift counts lines from the start of the file, and returns a node that is an
// alias or nested too deep.
func shift(n *yaml.Node, by, depth int) *yaml.Node {
	n.Line += by
	if n.Kind == yaml.AliasNode || depth > maxDepth {
		return n
	}
	for _, c := range n.Content {
		if bad := shift(c, by, depth+1); bad != nil {
			return bad
		}
	}
	return nil
}

// Key returns the value of a key of a mapping, or nil.
func Key(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// Scalar is the text of a key's value: empty where it is none.
func Scalar(n *yaml.Node, key string) string {
	if v := Key(n, key); v != nil && v.Kind == yaml.ScalarNode && v.ShortTag() != "!!null" {
		return v.Value
	}
	return ""
}

// Values are the scalars that a value is, or the list of them; nulls and empty
// ones are left out.
func Values(n *yaml.Node) (out []*yaml.Node) {
	if n == nil {
		return nil
	}
	list := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		list = n.Content
	}
	for _, v := range list {
		if v.Kind == yaml.ScalarNode && v.ShortTag() != "!!null" && v.Value != "" {
			out = append(out, v)
		}
	}
	return out
}

// LineOf takes the line from an error of YAML or JSON; 1 where it has none.
func LineOf(err error) (line int, msg string) {
	msg = err.Error()
	if rest, ok := strings.CutPrefix(msg, "line "); ok {
		if n, after, ok := strings.Cut(rest, ": "); ok {
			if line, err := strconv.Atoi(n); err == nil {
				return line, after
			}
		}
	}
	return 1, msg
}
