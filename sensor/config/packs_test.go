package config

import (
	"strings"
	"testing"
)

const (
	packKey  = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3" // of minisign(1)'s page
	otherKey = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO4" // its id, with other bytes
)

func TestPacks(t *testing.T) {
	c, err := Parse("/etc/x/rmmwatch.yaml", []byte("packs: {dir: packs, keys: ["+packKey+"]}"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Packs.Dir != "/etc/x/packs" || len(c.Packs.Keys) != 1 || c.Packs.Keys[0].ID() != "E7620F1842B4E81F" {
		t.Errorf("%+v", c.Packs)
	}
	for text, want := range map[string]string{
		"{dir: packs}":                                            "c.yaml:1:8: packs needs",
		"{keys: [" + packKey + "]}":                               "c.yaml:1:8: packs needs",
		"{dir: packs, keys: []}":                                  "the list is empty",
		"{dir: '', keys: [" + packKey + "]}":                      "want a text that is not empty",
		"{dir: packs, keys: [x]}":                                 `c.yaml:1:28: "x": this is no public key`,
		"{dir: packs, keys: ['']}":                                "want a text that is not empty",
		"{dir: packs, keys: " + packKey + "}":                     "want a list",
		"{dir: packs, key: [" + packKey + "]}":                    `unknown key "key" in packs; known are dir, keys`,
		"{dir: packs, keys: [" + packKey + ", " + packKey + "]}":  "is there already",
		"{dir: packs, keys: [" + packKey + ", " + otherKey + "]}": "a key with the id E7620F1842B4E81F is there already",
		"packs": "packs must be a mapping",
	} {
		if _, err := Parse("c.yaml", []byte("packs: "+text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
