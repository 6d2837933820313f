package intel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// maxDepth of what is nested: STIX and MISP need some ten levels.
const maxDepth = 64

// Node is a value of a JSON document, with the line it starts on. The zero Node
// stands for what is not there, and may be asked like any other.
type Node struct {
	Line  int
	Text  string // of a string, a number (as written), true or false
	Kind  byte   // 's' string, 'n' number, 'b' truth value, 'o' object, 'a' array, 0 null or absent
	Keys  []string
	Items []Node // of an array, or the values of Keys
}

// Get returns the value of a key, the first one where it stands twice.
func (n Node) Get(key string) Node {
	for i, k := range n.Keys {
		if k == key {
			return n.Items[i]
		}
	}
	return Node{Line: n.Line}
}

// Str is Get for text: empty where there is none.
func (n Node) Str(key string) string {
	if v := n.Get(key); v.Kind == 's' {
		return v.Text
	}
	return ""
}

// Strs is the texts of the array that a key has.
func (n Node) Strs(key string) (out []string) {
	for _, v := range n.Get(key).Items {
		if v.Kind == 's' {
			out = append(out, v.Text)
		}
	}
	return out
}

// JSON parses the one JSON value of data. The error has a line.
func JSON(data []byte) (Node, error) {
	if !utf8.Valid(data) {
		return Node{}, fmt.Errorf("line %d: not UTF-8", 1+bytes.Count(data[:badUTF8(data)], []byte("\n")))
	}
	p := jsonReader{data: data, dec: json.NewDecoder(bytes.NewReader(data)), line: 1}
	p.dec.UseNumber()
	n, err := p.value(0)
	if err == nil && len(bytes.TrimSpace(data[p.dec.InputOffset():])) > 0 {
		err = fmt.Errorf("something follows the value")
	}
	if err != nil {
		return Node{}, fmt.Errorf("line %d: %s", p.at(), Clean(err.Error(), 200))
	}
	return n, nil
}

func badUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, w := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && w == 1 {
			return i
		}
		i += w
	}
	return len(data)
}

type jsonReader struct {
	data       []byte
	dec        *json.Decoder
	line, seen int // the line at offset seen
}

// at is the line of the token that was read last.
func (p *jsonReader) at() int {
	off := min(int(p.dec.InputOffset()), len(p.data))
	p.line += bytes.Count(p.data[p.seen:off], []byte("\n"))
	p.seen = off
	return p.line
}

func (p *jsonReader) value(depth int) (Node, error) {
	if depth > maxDepth {
		return Node{}, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	tok, err := p.dec.Token()
	if err != nil {
		return Node{}, err
	}
	n := Node{Line: p.at()}
	switch v := tok.(type) {
	case string:
		n.Kind, n.Text = 's', v
	case json.Number:
		n.Kind, n.Text = 'n', v.String()
	case bool:
		n.Kind, n.Text = 'b', fmt.Sprint(v)
	case json.Delim:
		n.Kind = 'a'
		if v == '{' {
			n.Kind = 'o'
		}
		for p.dec.More() {
			if n.Kind == 'o' {
				key, err := p.dec.Token()
				if err != nil {
					return n, err
				}
				n.Keys = append(n.Keys, key.(string))
			}
			item, err := p.value(depth + 1)
			if err != nil {
				return n, err
			}
			n.Items = append(n.Items, item)
		}
		_, err = p.dec.Token()
	}
	return n, err
}
