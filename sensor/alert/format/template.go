package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/rmmwatch/rmmwatch/sensor/alert"
)

// Template writes alerts with a text/template over View: see docs/formats.md
// for its fields and functions. It is an Encoder, and not safe for concurrent
// use.
type Template struct {
	name  string
	tmpl  *template.Template
	files Files
	buf   bytes.Buffer
	out   bytes.Buffer
	work  int // what the execution has spent, see charge
}

// Bounds of one execution. A record of 1 MiB is beyond what any receiver of
// alerts takes. The work is what text functions read and write, in bytes, and
// stepCost for each turn of a loop or call of a template: an alert with the 48
// pieces of evidence that it may have costs a worked template some 100,000.
const (
	maxRecord = 1 << 20
	maxWork   = 8 << 20
	stepCost  = 1 << 10
)

// NewTemplate parses a template. Its errors say file:line, with name as the
// file. The template is tried with an alert that has everything, so that a
// field or function that does not exist is an error now and not with the first
// alert.
func NewTemplate(name, text string, files Files) (*Template, error) {
	t := &Template{name: name, files: files}
	tmpl, err := template.New(name).Option("missingkey=error").Funcs(t.funcs()).Parse(text)
	if err != nil {
		return nil, plainError(err)
	}
	for _, one := range tmpl.Templates() {
		if one.Tree != nil {
			count := step(one.Tree)
			countLoops(one.Root, count)
			one.Root.Nodes = append([]parse.Node{count}, one.Root.Nodes...)
		}
	}
	t.tmpl = tmpl
	if err := t.execute(sampleView()); err != nil {
		return nil, err
	}
	return t, nil
}

// Line returns the alert as one record: what the template writes, without the
// newline at its end. JSON is compacted; in anything else a newline is written
// as \n and a carriage return as \r. Where the execution fails or writes nothing
// the record is a JSON object of rmmwatch_error and alert_id.
func (t *Template) Line(a *alert.Alert) []byte {
	v := newView(a, t.files)
	if err := t.execute(v); err != nil {
		t.out.Reset()
		return jsonLine(&t.out, templateError{safe(err.Error()), v.ID})
	}
	return t.record()
}

// templateError is the record of an alert that the template failed on.
type templateError struct {
	Error string `json:"rmmwatch_error"`
	Alert string `json:"alert_id"`
}

// execute fills buf. It ends after a bounded time, with an error where the
// template failed, panicked or wrote nothing.
func (t *Template) execute(v *View) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: the template ended in a panic: %v", t.name, r)
		}
	}()
	t.buf.Reset()
	t.work = 0
	if err := t.tmpl.Execute((*limited)(&t.buf), v); err != nil {
		return plainError(err)
	}
	if len(bytes.TrimSpace(t.buf.Bytes())) == 0 {
		return fmt.Errorf("%s: the template wrote nothing", t.name)
	}
	return nil
}

// lineEnds are what would end a record.
var lineEnds = strings.NewReplacer("\n", `\n`, "\r", `\r`)

// record makes one line of what was written.
func (t *Template) record() []byte {
	t.out.Reset()
	if err := json.Compact(&t.out, t.buf.Bytes()); err != nil {
		t.out.Reset()
		text := bytes.TrimSuffix(bytes.TrimSuffix(t.buf.Bytes(), []byte("\n")), []byte("\r"))
		t.out.WriteString(lineEnds.Replace(string(text)))
	}
	t.out.WriteByte('\n')
	return t.out.Bytes()
}

// limited is a buffer that refuses more than maxRecord.
type limited bytes.Buffer

var errRecord = fmt.Errorf("the record is larger than %d bytes", maxRecord)

func (l *limited) Write(b []byte) (int, error) {
	buf := (*bytes.Buffer)(l)
	if buf.Len()+len(b) > maxRecord {
		return 0, errRecord
	}
	return buf.Write(b)
}

var errWork = errors.New("the template works too long: see docs/formats.md for the limits")

// charge books n bytes of work.
func (t *Template) charge(n int) error {
	if t.work += n; t.work > maxWork || n > maxWork {
		return errWork
	}
	return nil
}

// stepName is the function that counts turns; a template cannot write its name
// by accident.
const stepName = "rmmwatchStep"

// step returns the action {{rmmwatchStep}}.
func step(tree *parse.Tree) *parse.ActionNode {
	identifier := parse.NewIdentifier(stepName).SetPos(0).SetTree(tree)
	command := &parse.CommandNode{NodeType: parse.NodeCommand, Args: []parse.Node{identifier}}
	return &parse.ActionNode{NodeType: parse.NodeAction, Pipe: &parse.PipeNode{NodeType: parse.NodePipe, Cmds: []*parse.CommandNode{command}}}
}

// countLoops puts the count at the start of every loop's body.
func countLoops(list *parse.ListNode, count parse.Node) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		switch n := node.(type) {
		case *parse.RangeNode:
			countLoops(n.List, count)
			countLoops(n.ElseList, count)
			n.List.Nodes = append([]parse.Node{count}, n.List.Nodes...)
		case *parse.IfNode:
			countLoops(n.List, count)
			countLoops(n.ElseList, count)
		case *parse.WithNode:
			countLoops(n.List, count)
			countLoops(n.ElseList, count)
		}
	}
}

// codeInError is text/template's own prefix.
var codeInError = regexp.MustCompile(`^template: `)

// plainError is an error of text/template that begins with file:line.
func plainError(err error) error {
	return errors.New(codeInError.ReplaceAllString(err.Error(), ""))
}
