package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/miekg/dns"
)

// storm writes a capture in which n hosts ask for a tool's relay each.
func storm(t *testing.T, path string, n int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := pcapgo.NewWriter(f)
	if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	q := new(dns.Msg)
	q.SetQuestion("relay-3185a847.net.anydesk.com.", dns.TypeA)
	payload, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	buf := gopacket.NewSerializeBuffer()
	for i := range n {
		ip := &layers.IPv4{Version: 4, TTL: 64, Id: uint16(i), Protocol: layers.IPProtocolUDP, SrcIP: net.IPv4(10, 1, byte(i>>8), byte(i)), DstIP: net.IPv4(10, 0, 0, 53)}
		udp := &layers.UDP{SrcPort: layers.UDPPort(40000 + i%20000), DstPort: 53}
		udp.SetNetworkLayerForChecksum(ip)
		eth := &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4}
		if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, eth, ip, udp, gopacket.Payload(payload)); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(1772632931, 0).Add(time.Duration(i) * time.Millisecond)
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(buf.Bytes()), Length: len(buf.Bytes())}, buf.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
}

// receiver is a webhook that remembers the ids it was given.
type receiver struct {
	mu  sync.Mutex
	ids map[string]int
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var line struct {
		Alert struct {
			Metadata struct {
				ID []string `json:"rmm_alert_id"`
			} `json:"metadata"`
		} `json:"alert"`
	}
	body, err := io.ReadAll(req.Body)
	if err == nil {
		err = json.Unmarshal(body, &line)
	}
	id := req.Header.Get("webhook-id")
	if err != nil || len(line.Alert.Metadata.ID) != 1 || line.Alert.Metadata.ID[0] != id {
		http.Error(w, fmt.Sprint(id, err), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.ids[id]++
	r.mu.Unlock()
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ids)
}

// The sensor is killed a hundred times while it has ten thousand alerts to
// deliver: nothing is lost, and what came twice has one id.
func TestKill(t *testing.T) {
	const alerts, kills = 10_000, 100
	dir := t.TempDir()
	capture := filepath.Join(dir, "storm.pcap")
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	storm(t, capture, alerts)
	r := &receiver{ids: map[string]int{}}
	server := httptest.NewServer(r)
	defer server.Close()
	lines := filepath.Join(dir, "alerts.json")
	config := filepath.Join(dir, "rmmwatch.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "state: state\noutputs:\n  - webhook: {url: %q}\n  - file: {path: %s}\n", server.URL, lines), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func() (*exec.Cmd, *bytes.Buffer) {
		cmd := exec.Command(bin, "replay", "--config", config, "--send", "--out", os.DevNull, "--quiet", capture)
		var out bytes.Buffer
		cmd.Stderr = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, &out
	}
	early := 0
	for range kills {
		cmd, out := run()
		timer := time.AfterFunc(time.Duration(10+rand.IntN(400))*time.Millisecond, func() { cmd.Process.Kill() })
		if err := cmd.Wait(); err == nil {
			early++
		} else if timer.Stop() {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	t.Logf("after %d kills %d of %d alerts were delivered; %d runs ended before", kills, r.count(), alerts, early)
	if cmd, out := run(); cmd.Wait() != nil {
		t.Fatal(out)
	}
	if r.count() != alerts {
		t.Errorf("%d of %d alerts were delivered", r.count(), alerts)
	}
	// The file may hold an alert twice, but each line is whole.
	raw, err := os.ReadFile(lines)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for line := range bytes.Lines(raw) {
		var l struct {
			Alert struct {
				Metadata struct {
					ID []string `json:"rmm_alert_id"`
				} `json:"metadata"`
			} `json:"alert"`
		}
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("%v: %.200s", err, line)
		}
		got[l.Alert.Metadata.ID[0]] = true
	}
	if len(got) != alerts {
		t.Errorf("%d of %d alerts are in the file", len(got), alerts)
	}
}
