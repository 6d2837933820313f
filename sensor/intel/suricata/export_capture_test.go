package suricata

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/rmmwatch/rmmwatch/sensor/intel/exporttest"
)

// captureWriter makes a capture of flows. Each has a client of its own, by
// which an alert tells the flow.
type captureWriter struct {
	buf  bytes.Buffer
	w    *pcapgo.Writer
	time time.Time
}

func clientOf(i int) string { return fmt.Sprintf("10.%d.%d.%d", 1+i>>14, i>>7&127, 1+i&127) }

func (w *captureWriter) packet(src, dst string, parts ...gopacket.SerializableLayer) {
	if w.w == nil {
		w.w = pcapgo.NewWriter(&w.buf)
		if err := w.w.WriteFileHeader(65536, layers.LinkTypeRaw); err != nil {
			panic(err)
		}
		w.time = exporttest.Date
	}
	ip := &layers.IPv4{Version: 4, TTL: 64, SrcIP: net.ParseIP(src), DstIP: net.ParseIP(dst)}
	switch l4 := parts[0].(type) {
	case *layers.UDP:
		ip.Protocol = layers.IPProtocolUDP
		_ = l4.SetNetworkLayerForChecksum(ip)
	case *layers.TCP:
		ip.Protocol = layers.IPProtocolTCP
		_ = l4.SetNetworkLayerForChecksum(ip)
	}
	b := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(b, options, append([]gopacket.SerializableLayer{ip}, parts...)...); err != nil {
		panic(err)
	}
	w.time = w.time.Add(time.Millisecond)
	if err := w.w.WritePacket(gopacket.CaptureInfo{Timestamp: w.time, CaptureLength: len(b.Bytes()), Length: len(b.Bytes())}, b.Bytes()); err != nil {
		panic(err)
	}
}

func (w *captureWriter) file(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "flows.pcap")
	if err := os.WriteFile(path, w.buf.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

const server = "198.51.100.7"

// question writes a DNS question; false for a name that none can hold.
func (w *captureWriter) question(i int, name string) bool {
	for l := range strings.SplitSeq(name, ".") {
		if l == "" || len(l) > 63 {
			return false
		}
	}
	w.packet(clientOf(i), server, &layers.UDP{SrcPort: 40000, DstPort: 53},
		&layers.DNS{ID: 7, RD: true, Questions: []layers.DNSQuestion{{Name: []byte(name), Type: layers.DNSTypeA, Class: layers.DNSClassIN}}})
	return true
}

// flow writes the request, the payloads or a request to the name of a test;
// false for a test of something else.
func (w *captureWriter) flow(i int, f exporttest.Flow) bool {
	h := f.HTTP
	proto, port, _ := strings.Cut(f.Port, "/")
	number, _ := strconv.Atoi(port)
	switch {
	case h.Upgrade != "" || h.WebSocket != "":
		return false
	case h != (exporttest.Flow{}).HTTP || f.Name != "" && f.Port == "" && f.Payload == nil:
		if number == 0 {
			number = 80
		}
		w.request(i, f, number)
		return true
	case f.Payload != nil:
		if proto == "" {
			proto = f.Payload[0].Proto
		}
		if number == 0 {
			number = 4444
		}
		w.payloads(i, f, proto, number)
		return true
	}
	return false
}

func (w *captureWriter) request(i int, f exporttest.Flow, port int) {
	or := func(s, other string) string {
		if s == "" {
			return other
		}
		return s
	}
	h := f.HTTP
	text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n", or(h.Method, "GET"), or(h.Path, "/"), or(or(h.Host, f.Name), "203.0.113.9"))
	if h.Agent != "" {
		text += "User-Agent: " + h.Agent + "\r\n"
	}
	w.tcp(i, port, []segment{{true, []byte(text + "\r\n")}, {false, []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")}})
}

func (w *captureWriter) payloads(i int, f exporttest.Flow, proto string, port int) {
	var segments []segment
	for _, p := range f.Payload {
		data := []byte(p.Text)
		if p.Hex != "" {
			data, _ = hex.DecodeString(strings.Join(strings.Fields(p.Hex), ""))
		}
		for len(data) < p.Size {
			data = append(data, 0)
		}
		segments = append(segments, segment{p.From == "client", data})
	}
	if proto == "tcp" {
		w.tcp(i, port, segments)
		return
	}
	if !segments[0].client { // who sends first is the client to Suricata
		w.packet(clientOf(i), server, &layers.UDP{SrcPort: 40000, DstPort: layers.UDPPort(port)}, gopacket.Payload("?"))
	}
	for _, s := range segments {
		if s.client {
			w.packet(clientOf(i), server, &layers.UDP{SrcPort: 40000, DstPort: layers.UDPPort(port)}, gopacket.Payload(s.data))
		} else {
			w.packet(server, clientOf(i), &layers.UDP{SrcPort: layers.UDPPort(port), DstPort: 40000}, gopacket.Payload(s.data))
		}
	}
}

type segment struct {
	client bool
	data   []byte
}

// tcp writes a connection from its handshake on.
func (w *captureWriter) tcp(i, port int, segments []segment) {
	seq := [2]uint32{1000, 9000} // client, server
	send := func(client bool, flags string, data []byte) {
		me, peer := 1, 0
		tcp := &layers.TCP{SrcPort: layers.TCPPort(port), DstPort: 40000, Window: 65000}
		src, dst := server, clientOf(i)
		if client {
			me, peer = 0, 1
			tcp.SrcPort, tcp.DstPort = tcp.DstPort, tcp.SrcPort
			src, dst = dst, src
		}
		tcp.Seq, tcp.SYN, tcp.PSH = seq[me], strings.Contains(flags, "S"), data != nil
		if tcp.ACK = strings.Contains(flags, "A"); tcp.ACK {
			tcp.Ack = seq[peer]
		}
		w.packet(src, dst, tcp, gopacket.Payload(data))
		seq[me] += uint32(len(data))
		if tcp.SYN {
			seq[me]++
		}
	}
	send(true, "S", nil)
	send(false, "SA", nil)
	send(true, "A", nil)
	for _, s := range segments {
		send(s.client, "A", s.data)
		send(!s.client, "A", nil)
	}
}
