package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A capture of a link type that is not read is no quiet network, in whatever
// format: it is told, with the number, and where there is nothing else in the
// capture the run has failed.
func TestLinkTypeThatIsNotRead(t *testing.T) {
	raw, err := os.ReadFile("../../pcaps/anydesk-synthetic.pcap")
	if err != nil {
		t.Fatal(err)
	}
	raw[20] = 220
	usb := filepath.Join(t.TempDir(), "usb.pcap")
	if err := os.WriteFile(usb, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	const said = `"frames of a link type that is not read","link_type":220,"name":"USB_LINUX_MMAPPED","frames":20`
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{usb}, exitFailed, `"level":"error"`},
		{[]string{"--quiet", usb}, exitFailed, `"level":"error"`},
		{[]string{"--format", "table", usb}, exitFailed, `"level":"error"`},
		{[]string{usb, "../../pcaps/anydesk-synthetic.pcap"}, exitOK, `"level":"warn"`},
	} {
		var out, errs bytes.Buffer
		a := &app{stdin: os.Stdin, stdout: &out, stderr: &errs}
		if got := a.run(context.Background(), append([]string{"replay"}, c.args...)); got != c.status {
			t.Errorf("%v: exit status %d, want %d", c.args, got, c.status)
		}
		if !strings.Contains(errs.String(), c.want) || !strings.Contains(errs.String(), said) {
			t.Errorf("%v: %s", c.args, errs.String())
		}
	}
}
