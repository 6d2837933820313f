package exporttest

import (
	"testing"
	"testing/fstest"

	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// hostile is a rule file whose every text tries to be something else where it
// is written (the loader refuses control characters itself): the end of a string, an option, a column, a formula, a comment.
const hostile = `tool: hostile
name: "=Evil\"; sid:1; ] OR [x='y' | \\ # <b>ü,--- {{x}}"
vendor: "@evil owner: x"
class: rat
attack: [T1219.002]
guidance: "a: b #c"
plain: "- [x]: | y ü end"
indicators:
  - id: agent
    role: control
    confidence: high
    http: {agent: ["=a\";b|c:d\\e!f*g?h;)", "-", "#x y;\\\\"], path: ["/a;b\"|c\\d*$(x)'%_"]}
    note: "'; drop"
    source: ["x; y\" | z"]
  - id: agents
    role: control
    confidence: high
    http: {agent: ["=a\";b|c:d\\e!f*g?h;)", "#x y;\\\\'] OR [", "(empty)"]}
  - id: certificate
    role: relay
    confidence: high
    tls: {subject: ["CN=a\";b|c:d\\\\e*/f\\, Ltd, O=$x;"], issuer: ["CN=/x|y;\")"]}
  - id: bytes
    confidence: high
    payload: {proto: tcp, from: client, text: "a\";|:\\! \r\n\u0000z"}
  - id: names
    role: relay
    confidence: high
    domain: ["a_b.hostile.example", "*.hostile.example", "x_{tenant}-?.evil-hostile.example", "xn--mnchen-3ya.example"]
tests:
  match:
    - {http: {method: GET, agent: "-", path: "/a;b\"|c\\d$(x)'%_"}, indicator: agent}
    - {http: {method: GET, agent: "(empty)"}, indicator: agents}
    - {tls: {subject: "CN=a\";b|c:d\\\\e/f\\, Ltd, O=$x;", issuer: "CN=/x|y;\")"}, indicator: certificate}
    - {payload: {proto: tcp, from: client, text: "a\";|:\\! \r\n\u0000z"}, indicator: bytes}
    - {name: a_b.hostile.example, indicator: names}
    - {name: xn--mnchen-3ya.example, indicator: names}
  no_match:
    - {name: hostile.example}
`

// Hostile is an export of rules that were written to break the formats.
func Hostile(t testing.TB) *intel.Export {
	t.Helper()
	return New(t, Load(t, fstest.MapFS{"hostile.yaml": {Data: []byte(hostile)}}))
}
