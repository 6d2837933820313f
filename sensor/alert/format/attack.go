package format

import "strings"

// attackVersion is the version of MITRE ATT&CK whose names stand here: the
// first with sub-techniques of T1219.
const attackVersion = "17.1"

// Technique is a technique of MITRE ATT&CK that a tool serves.
type Technique struct {
	ID         string // as the rule has it, such as T1219.002
	Name       string // its own name; the id where this sensor does not know it
	Parent     string // id of the technique that a sub-technique belongs to, else empty
	ParentName string
	Tactic     string // id, such as TA0011; empty where this sensor does not know it
	TacticName string
	URL        string // its page
}

// attackNames are the techniques that rules of remote access name.
var attackNames = map[string]string{
	"T1021":     "Remote Services",
	"T1021.001": "Remote Desktop Protocol",
	"T1021.002": "SMB/Windows Admin Shares",
	"T1021.003": "Distributed Component Object Model",
	"T1021.004": "SSH",
	"T1021.005": "VNC",
	"T1021.006": "Windows Remote Management",
	"T1071":     "Application Layer Protocol",
	"T1071.001": "Web Protocols",
	"T1071.004": "DNS",
	"T1072":     "Software Deployment Tools",
	"T1090":     "Proxy",
	"T1090.001": "Internal Proxy",
	"T1090.002": "External Proxy",
	"T1090.003": "Multi-hop Proxy",
	"T1090.004": "Domain Fronting",
	"T1095":     "Non-Application Layer Protocol",
	"T1219":     "Remote Access Tools",
	"T1219.001": "IDE Tunneling",
	"T1219.002": "Remote Desktop Software",
	"T1219.003": "Remote Access Hardware",
	"T1571":     "Non-Standard Port",
	"T1572":     "Protocol Tunneling",
	"T1573":     "Encrypted Channel",
	"T1583":     "Acquire Infrastructure",
	"T1583.001": "Domains",
}

// technique looks an id up.
func technique(id string) Technique {
	t := Technique{ID: safe(id), Name: safe(id)}
	if !attackForm(id) {
		return t
	}
	if name, ok := attackNames[id]; ok {
		t.Name = name
	}
	parent, sub, isSub := strings.Cut(id, ".")
	t.URL = "https://attack.mitre.org/techniques/" + parent + "/"
	if isSub {
		t.Parent, t.ParentName = parent, parent
		if name, ok := attackNames[parent]; ok {
			t.ParentName = name
		}
		t.URL += sub + "/"
	}
	if _, ok := attackNames[parent]; ok {
		t.Tactic, t.TacticName = "TA0011", "Command and Control"
		switch parent {
		case "T1021", "T1072":
			t.Tactic, t.TacticName = "TA0008", "Lateral Movement"
		case "T1583":
			t.Tactic, t.TacticName = "TA0042", "Resource Development"
		}
	}
	return t
}

// attackForm reports whether id is T and four digits, perhaps with a dot and
// three more: what may stand in an address.
func attackForm(id string) bool {
	if len(id) != len("T1219") && len(id) != len("T1219.002") || id[0] != 'T' {
		return false
	}
	for i := 1; i < len(id); i++ {
		if digit := '0' <= id[i] && id[i] <= '9'; digit == (i == 5) || i == 5 && id[i] != '.' {
			return false
		}
	}
	return true
}

// tacticURL is the page of a tactic.
func tacticURL(id string) string { return "https://attack.mitre.org/tactics/" + id + "/" }
