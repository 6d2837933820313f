package sensor_test

import (
	"go/ast"
	"go/types"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

const module = "github.com/rmmwatch/rmmwatch/"

// may lists which packages of ours each package may import: imports run
// downwards, in the order in which a packet walks through the house. A package
// that is not listed may import none.
var may = map[string]struct {
	imports []string
	because string
}{
	"sensor/capture":           {nil, "a source of frames knows nothing of what is in them"},
	"sensor/capture/afpacket":  {[]string{"sensor/capture"}, "a ring yields frames, as files do, and knows nothing of what is in them"},
	"sensor/capture/shunt":     {nil, "the kernel counts packets, whatever their flows mean"},
	"sensor/capture/filter":    {nil, "a kernel filter is a program, wherever it is attached"},
	"sensor/decode":            {nil, "headers are read the same whatever comes of them"},
	"sensor/flow":              {[]string{"sensor/decode"}, "a flow is found by what the decoder read, and knows no meaning"},
	"sensor/flow/defrag":       {[]string{"sensor/decode"}, "fragments are put together before anything knows what they are"},
	"sensor/applayer/carrier":  {nil, "a parser reads bytes and returns positions"},
	"sensor/applayer/dns":      {nil, "a parser reads bytes and returns positions"},
	"sensor/applayer/http":     {nil, "a parser reads bytes and returns positions"},
	"sensor/applayer/dhcp":     {nil, "a parser reads bytes and returns positions"},
	"sensor/applayer/kerberos": {nil, "a parser reads bytes and returns positions"},
	"sensor/applayer/netbios":  {nil, "a parser reads bytes and returns positions"},
	"sensor/hostnames":         {[]string{"sensor/printable"}, "a name is remembered the same whatever told it"},
	"sensor/applayer/magic":    {nil, "byte patterns know no rules"},
	"sensor/applayer/quic":     {nil, "it yields CRYPTO bytes and never parses TLS"},
	"sensor/applayer/tls":      {nil, "a parser reads bytes and returns positions"},
	"sensor/printable":         {nil, "it is used by everything that writes text"},
	"sensor/detect":            {[]string{"sensor/applayer/magic", "sensor/lookalike", "sensor/yamldoc"}, "rules see fields, never packets; parsers and rules never meet"},
	"sensor/enrich":            {[]string{"sensor/printable"}, "where an address is does not depend on what was said"},
	"sensor/enrich/build":      {nil, "a database is made of lists, before any packet"},
	"sensor/names":             {[]string{"sensor/decode"}, "it remembers what DNS said, and knows neither rules nor flows"},
	"sensor/lookalike":         {nil, "it knows words and names, whoever asks"},
	"sensor/eve":               {[]string{"sensor/flow"}, "a line knows a five-tuple and nothing else"},
	"sensor/alert":             {[]string{"sensor/decode", "sensor/detect", "sensor/enrich", "sensor/flow", "sensor/hostnames", "sensor/ledger", "sensor/policy", "sensor/session"}, "alerts are made of sightings, not of packets"},
	"sensor/alert/format":      {[]string{"sensor/alert", "sensor/detect", "sensor/enrich", "sensor/eve", "sensor/policy", "sensor/printable"}, "formats are pure functions of alerts"},
	"sensor/events":            {[]string{"sensor/applayer/*", "sensor/eve", "sensor/flow", "sensor/printable"}, "events show what parsers read; rules have no part in it"},
	"sensor/policy":            {[]string{"sensor/decode", "sensor/detect"}, "a verdict follows from what is known of a use, and knows nothing of alerts"},
	"sensor/rulepack":          {[]string{"sensor/detect"}, "a pack is checked by loading its rules, and installed beside whatever reads them"},
	"sensor/config":            {[]string{"sensor/yamldoc", "sensor/rulepack", "sensor/policy", "sensor/alert", "sensor/alert/format", "sensor/output", "sensor/output/*"}, "the configuration is values of those who use them, and decides nothing"},
	"sensor/delivery":          {[]string{"sensor/alert", "sensor/alert/format", "sensor/config", "sensor/decode", "sensor/detect", "sensor/flow", "sensor/output", "sensor/output/*", "sensor/printable"}, "it leads alerts to outputs, and sees no packet"},
	"sensor/yamldoc":           {nil, "it reads YAML, whatever that says"},
	"sensor":                   {[]string{"sensor/*", "sensor/capture/shunt", "sensor/applayer/*", "sensor/flow/defrag", "sensor/alert/format"}, "the assembly is the only place where all rooms meet"},
	"sensor/output":            {nil, "a record is bytes to be delivered, whatever they say"},
	"sensor/output/outputtest": {[]string{"sensor/output"}, "the kit judges sinks from outside"},
	"sensor/output/*":          {[]string{"sensor/output", "sensor/output/web"}, "a sink knows its protocol and no other sink"},
	"sensor/confine":           {nil, "rights are dropped the same whatever the process does with the rest"},
	"sensor/systemd":           {nil, "it tells the service manager what others decide"},
	"sensor/monitor":           {[]string{"sensor", "sensor/alert", "sensor/decode", "sensor/delivery", "sensor/eve", "sensor/flow", "sensor/output", "sensor/printable"}, "it shows what others counted, and is asked by nobody but the assembly"},
	"sensor/doctor":            {[]string{"sensor/capture/afpacket", "sensor/capture/shunt", "sensor/config", "sensor/delivery", "sensor/detect"}, "it tries what others use, on the machine and not on packets"},
	"sensor/ledger":            {[]string{"sensor/printable"}, "it remembers what others decided, and sees no packet"},
	"sensor/intel":             {[]string{"sensor/detect", "sensor/printable", "sensor/yamldoc"}, "what is imported passes the gate of the rules, and is made before any packet"},
	"sensor/intel/*":           {[]string{"sensor/detect", "sensor/intel", "sensor/printable", "sensor/yamldoc"}, "a format knows its own language and no other format"},
	"sensor/workbench":         {[]string{"sensor", "sensor/alert", "sensor/capture", "sensor/config", "sensor/detect", "sensor/events"}, "it replays captures as the program does, and judges what comes out"},
	"sensor/intel/exporttest":  {[]string{"rules", "sensor/applayer/magic", "sensor/detect", "sensor/intel"}, "the kit judges exports from outside"},
	"sensor/session":           {nil, "who drives shows in lengths and times, whatever was said"},
	"sensor/replaybench":       {[]string{"sensor/capture"}, "it measures the program from outside"},
	"sensor/soak":              {[]string{"sensor/capture"}, "it judges the program from outside"},
	"sensor/testshared":        {nil, "it only finds files"},
	"cmd/rmmwatch":             {[]string{"rules", "sensor", "sensor/*", "sensor/alert/format", "sensor/capture/*", "sensor/enrich/*", "sensor/intel/*"}, "flags and signals only"},
	"rules":                    {nil, "data"},
	"pcaps/record/cable":       {nil, "it stands in for a cable, and knows no packet beyond its flow"},
	"pcaps/record/webserver":   {nil, "it stands in for software that is recorded"},
	"pcaps/gen":                {nil, "captures are made without the sensor: it must not mark its own work"},
}

// pipeline is everything from capture to alert, where the same capture must
// give the same alerts to the byte.
func pipeline(pkg string) bool {
	return pkg == "sensor" || strings.HasPrefix(pkg, "sensor/") && !strings.HasPrefix(pkg, "sensor/output") &&
		!slices.Contains([]string{"sensor/testshared", "sensor/replaybench", "sensor/soak", "sensor/config", "sensor/delivery", "sensor/doctor", "sensor/monitor", "sensor/confine", "sensor/systemd", "sensor/workbench"}, pkg)
}

// banned names what the pipeline must not use, with the reason.
var banned = map[string]string{
	"net/http":        "the pipeline talks to nobody; outputs do",
	"go.uber.org/zap": "the pipeline counts and returns values; only cmd logs",
	"math/rand":       "the same capture gives the same alerts",
	"math/rand/v2":    "the same capture gives the same alerts",
	"os/exec":         "nothing from the wire may come near a process",
	"unsafe":          "hostile input meets bounds checks",
}

// excused are the files that may use what is banned, with the reason.
var excused = map[string]string{
	"sensor/capture/afpacket/ring_linux.go time.Sleep": "to wait for a frame decides nothing; no time is read",
	"sensor/capture/afpacket/status_linux.go unsafe":   "the kernel hands over a block by a word in shared memory, which only sync/atomic reads with acquire semantics",
}

// bannedFuncs of package time: packet time is the only clock.
var bannedFuncs = []string{"Now", "Since", "Until", "After", "Sleep", "Tick", "NewTimer", "NewTicker", "AfterFunc"}

// Imports run downwards, and the pipeline has no clock, no chance and no order
// of a map in it. A range over a map whose order cannot show says so in a
// comment with "any order".
func TestHouse(t *testing.T) {
	pkgs, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedImports | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedFiles | packages.NeedDeps,
		Dir:  "..",
	}, "./...")
	if err != nil {
		t.Fatal(err)
	}
	if len(pkgs) < 15 {
		t.Fatalf("only %d packages were loaded", len(pkgs))
	}
	for _, p := range pkgs {
		for _, e := range p.Errors {
			t.Error(e)
		}
		checkImports(t, p)
		if pipeline(strings.TrimPrefix(p.PkgPath, module)) {
			for _, f := range p.Syntax {
				checkFile(t, p, f)
			}
		}
	}
}

func checkImports(t *testing.T, p *packages.Package) {
	t.Helper()
	name := strings.TrimPrefix(p.PkgPath, module)
	rule, known := may[name]
	if !known {
		rule, known = may[name[:max(0, strings.LastIndexByte(name, '/'))]+"/*"]
	}
	if !known {
		t.Errorf("%s: a new room: say in this test what it may import, and why", name)
		return
	}
	for path := range p.Imports {
		if reason, ok := banned[path]; ok && pipeline(name) {
			for _, file := range importers(p, path) {
				if excused[name+"/"+file+" "+path] == "" {
					t.Errorf("%s/%s imports %s, but %s", name, file, path, reason)
				}
			}
		}
		ours, ok := strings.CutPrefix(path, module)
		if ok && !slices.ContainsFunc(rule.imports, func(pattern string) bool { return allows(pattern, ours) }) {
			t.Errorf("%s imports %s, but %s", name, ours, rule.because)
		}
	}
}

// importers are the files of a package that import path.
func importers(p *packages.Package, path string) (files []string) {
	for _, f := range p.Syntax {
		for _, spec := range f.Imports {
			if spec.Path.Value == strconv.Quote(path) {
				files = append(files, filepath.Base(p.Fset.Position(f.Pos()).Filename))
			}
		}
	}
	return files
}

// allows reports whether a pattern of may covers a package: * stands for one
// element.
func allows(pattern, pkg string) bool {
	parent, ok := strings.CutSuffix(pattern, "/*")
	if !ok {
		return pattern == pkg
	}
	rest, ok := strings.CutPrefix(pkg, parent+"/")
	return ok && !strings.Contains(rest, "/")
}

func checkFile(t *testing.T, p *packages.Package, f *ast.File) {
	t.Helper()
	anyOrder := map[int]bool{}
	for _, group := range f.Comments {
		for _, c := range group.List {
			if strings.Contains(c.Text, "any order") {
				line := p.Fset.Position(c.End()).Line
				anyOrder[line], anyOrder[line+1] = true, true
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if obj := p.TypesInfo.Uses[n.Sel]; obj != nil && obj.Pkg() != nil && obj.Pkg().Path() == "time" && slices.Contains(bannedFuncs, obj.Name()) {
				pos := p.Fset.Position(n.Pos())
				file := strings.TrimPrefix(p.PkgPath, module) + "/" + filepath.Base(pos.Filename)
				if _, isFunc := obj.(*types.Func); isFunc && obj.Type().(*types.Signature).Recv() == nil && excused[file+" time."+obj.Name()] == "" {
					t.Errorf("%s: time.%s: packet time is the only clock", p.Fset.Position(n.Pos()), obj.Name())
				}
			}
		case *ast.RangeStmt:
			typ := p.TypesInfo.TypeOf(n.X)
			if typ == nil {
				break
			}
			pos := p.Fset.Position(n.Pos())
			if _, isMap := typ.Underlying().(*types.Map); isMap && !anyOrder[pos.Line] {
				t.Errorf("%s: a range over a map: its order is another each time", pos)
			}
		}
		return true
	})
}
