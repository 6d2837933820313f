package sigma

import (
	"fmt"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/intel/importtest"
)

const sigmaRules = `title: Potential Alpha RMM Tool Network Activity
id: 1
logsource: {category: network_connection, product: windows}
detection:
  selection:
    DestinationHostname|endswith:
      - '*.ezhelp.co.kr'
      - ammyy.com
      - .alpha.com
      - user_managed
  condition: selection
---
title: Names that are asked for
logsource: {category: dns_query}
detection:
  selection:
    - QueryName: [relay.beta.com]
    - QueryName|contains: beta
  filter_optional_browser:
    Image|endswith: \chrome.exe
  condition: selection and not 1 of filter_optional_*
---
title: A proxy
logsource: {category: proxy}
detection:
  host: {cs-host|re: '^node-[0-9]+\.gamma\.com$'}
  agent: {c-useragent|startswith: Gamma/, cs-method: post}
  filter_other: {cs-host: [node-1.gamma.com]}
  condition: (host and agent) and not filter_other
---
title: A firewall
logsource: {category: firewall}
detection:
  selection: {dst_ip|cidr: [203.0.113.0/24], dst_port: [7070, 8041]}
  words: [one, two]
  condition: 1 of them
---
title: A process
logsource: {category: process_creation, product: windows}
detection: {selection: {Image: x}, condition: selection}
---
title: An old one
status: deprecated
logsource: {category: dns}
detection: {selection: {query: x.com}, condition: selection}
---
title: Counting
logsource: {category: dns}
detection: {selection: {query: x.com}, condition: selection | count() > 3}
---
title: Encoded
logsource: {category: dns}
detection: {selection: {query|base64: x.com}, condition: selection}
`

func TestImport(t *testing.T) {
	importtest.Outcomes(t, Import("x.yml", []byte(sigmaRules)), `
		7 quarantined syntax: *.ezhelp.co.kr
		8 imported domain=ammyy.com|*.ammyy.com: ammyy.com
		9 imported domain=*.alpha.com: .alpha.com
		10 quarantined junk: user_managed
		20 quarantined not observable: filter_optional_browser: Image|endswith
		17 imported domain=relay.beta.com: relay.beta.com
		18 quarantined unsupported: beta
		27 imported domain=node-?*.gamma.com method=POST agent=Gamma/*: ^node-[0-9]+\.gamma\.com$ and Gamma/ and post
		23 imported domain=node-1.gamma.com: except node-1.gamma.com
		34 imported ip=203.0.113.0/24 port=tcp/7070: 203.0.113.0/24 and 7070
		34 imported ip=203.0.113.0/24 port=tcp/8041: 203.0.113.0/24 and 8041
		35 quarantined unsupported: words
		38 quarantined not observable: A process
		42 quarantined withdrawn: An old one
		47 quarantined unsupported: Counting
		53 quarantined unsupported: x.com
	`)
}

func TestCondition(t *testing.T) {
	names := []string{"a", "b", "sel_1", "sel_2", "filter"}
	for s, want := range map[string]string{
		"a":                              "[[a]] []",
		"a and b":                        "[[a b]] []",
		"a or b":                         "[[a] [b]] []",
		"(a or b) and sel_1":             "[[a sel_1] [b sel_1]] []",
		"1 of sel_*":                     "[[sel_1] [sel_2]] []",
		"all of sel_* and not filter":    "[[sel_1 sel_2]] [filter]",
		"a and not (b or filter)":        "[[a]] [b filter]",
		"a and not (b and filter)":       "",
		"a or not b":                     "",
		"a | count() > 3":                "",
		"nobody":                         "",
		"1 of nobody_*":                  "",
		"(a":                             "",
		"":                               "",
		"a and":                          "",
		"not not a and b and 2 of sel_*": "",
	} {
		c, err := parseCondition(s, names)
		if got := show(c); (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%s: %s, %v", s, got, err)
		}
	}
}

func show(c condition) string { return fmt.Sprint(c.any, c.not) }

func FuzzImport(f *testing.F) { importtest.Fuzz(f, Import, sigmaRules) }
