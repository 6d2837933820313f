package list

import (
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel/importtest"
)

const (
	plainList = "# maltrail\n\ufeffrelay.alpha.com\n*.beta.com\n.gamma.com\n||delta.com^\n0.0.0.0 epsilon.com\n203.0.113.7:8041\n198.51.100.0/24\n" +
		"zeta.com:8443 # port\nd41d8cd98f00b204e9800998ecf8427e\nuser_managed\nid71.remoteutilities.com\nbad\xff.com\nrelay.alpha.com\n"
	table = "Remote_Utility;remote_domain;description\nFleetDeck; *.fleetdeck.io ;x\nFleetDeck;cognito-idp.us-west-2.amazonaws.com;x\nAcronic;*.nate.com;x\nRMM;https://todesktop.com/x;y\n"
)

func TestImport(t *testing.T) {
	importtest.Outcomes(t, Import("x.txt", []byte(plainList)), `
		2 imported domain=relay.alpha.com: relay.alpha.com
		3 imported domain=*.beta.com: *.beta.com
		4 imported domain=gamma.com|*.gamma.com: .gamma.com
		5 imported domain=delta.com|*.delta.com: ||delta.com^
		6 imported domain=epsilon.com: 0.0.0.0 epsilon.com
		7 imported ip=203.0.113.7/32 port=tcp/8041: 203.0.113.7:8041
		8 imported ip=198.51.100.0/24: 198.51.100.0/24
		9 imported domain=zeta.com port=tcp/8443: zeta.com:8443 # port
		10 quarantined not observable: d41d8cd98f00b204e9800998ecf8427e
		11 quarantined junk: user_managed
		12 quarantined wrong owner: id71.remoteutilities.com
		13 quarantined syntax: bad\xff.com
		14 merged domain=relay.alpha.com: relay.alpha.com
	`)
}

// Stray blanks, another separator, and what Splunk's and other tables get wrong.
func TestImportCSV(t *testing.T) {
	importtest.Outcomes(t, ImportCSV("x.csv", []byte(table)), `
		2 imported domain=*.fleetdeck.io: *.fleetdeck.io
		3 quarantined shared host: cognito-idp.us-west-2.amazonaws.com
		4 quarantined shared host: *.nate.com
		5 quarantined syntax: https://todesktop.com/x
	`)
	importtest.Outcomes(t, ImportCSV("x.csv", []byte("type,value,tool\nja3,e7d705a3286e19ea42f587b344ee6865,a\nport,udp/3478,a\nagent,Alpha/*,a\nregex,^a[0-9]\\.alpha\\.com$,a\nmd5,aa,a\nnew,aa,a\n")), `
		2 imported ja3=e7d705a3286e19ea42f587b344ee6865: e7d705a3286e19ea42f587b344ee6865
		3 imported port=udp/3478: udp/3478
		4 imported agent=Alpha/*: Alpha/*
		5 imported domain=a?.alpha.com: ^a[0-9]\.alpha\.com$
		6 quarantined not observable: aa
		7 quarantined unsupported: aa
	`)
	importtest.Outcomes(t, ImportCSV("x.csv", []byte("a,b\n1,2\n")), "1 quarantined syntax: (the whole file)")
}

// A class that nobody knows is told, and not taken for another in silence.
func TestImportCSVWords(t *testing.T) {
	rows := ImportCSV("x.csv", []byte("value,class,role,confidence,note\na.alpha.com,RAT,Relay,Medium,seen\nb.alpha.com,trojan,c2,85,seen\n"))
	if a := rows[0]; a.Tool.Class != "rat" || a.Role != "relay" || a.Confidence != detect.Medium || a.Note != "seen" {
		t.Errorf("%+v", a)
	}
	want := "seen; class trojan is not one of rmm, remote-desktop, tunnel, mesh-vpn, rat, protocol: left out; role c2 is not one of relay, control, download, update, portal, marketing: left out"
	if b := rows[1]; b.Tool.Class != "" || b.Role != "" || b.Note != want {
		t.Errorf("%+v", b)
	}
}

func FuzzImport(f *testing.F)    { importtest.Fuzz(f, Import, plainList) }
func FuzzImportCSV(f *testing.F) { importtest.Fuzz(f, ImportCSV, table) }
