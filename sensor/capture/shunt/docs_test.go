package shunt

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The page names the ports that pass, and no others.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../../../docs/shunt.md")
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(page), "- UDP with port ")
	line, _, _ = strings.Cut(line, "\n")
	got := regexp.MustCompile(`[0-9]+`).FindAllString(line, -1)
	var want []string
	for _, p := range passPorts {
		want = append(want, strconv.Itoa(int(p)))
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%v pass, the page says %v", want, got)
	}
	if !strings.Contains(string(page), "262,144") || defaultFlows != 262144 {
		t.Error("the page has another default for the number of flows")
	}
}
