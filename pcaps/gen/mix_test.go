package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/quic-go/quic-go"
)

var smallMix = mixShape{bytes: 4 << 20, packet: 800, flows: 800, span: 10 * time.Second, seed: 7}

func TestMixIsSeeded(t *testing.T) {
	var files, lists [3]bytes.Buffer
	for i := range files {
		shape := smallMix
		if i == 2 {
			shape.seed++
		}
		if _, _, err := writeMix(&files[i], &lists[i], shape); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(files[0].Bytes(), files[1].Bytes()) || lists[0].String() != lists[1].String() {
		t.Error("the same seed gave two captures")
	}
	if bytes.Equal(files[0].Bytes(), files[2].Bytes()) {
		t.Error("two seeds gave the same capture")
	}
	if got := files[0].Len(); got < 3<<20 || got > 5<<20 {
		t.Errorf("asked for 4 MiB, got %d bytes", got)
	}
}

// TestMixPackets has gopacket decode every packet and write it again with its own lengths and checksums, and
// checks that time never runs backwards and that the manifest's packet numbers belong to its flows.
func TestMixPackets(t *testing.T) {
	var file, manifest bytes.Buffer
	packets, size, err := writeMix(&file, &manifest, smallMix)
	if err != nil {
		t.Fatal(err)
	}
	if size != int64(file.Len()) {
		t.Errorf("reported %d bytes, wrote %d", size, file.Len())
	}
	r, err := pcapgo.NewReader(&file)
	if err != nil {
		t.Fatal(err)
	}
	firsts := manifestByPacket(t, manifest.String())
	var last time.Time
	for n := 1; n <= packets; n++ {
		data, info, err := r.ReadPacketData()
		if err != nil {
			t.Fatalf("packet %d: %v", n, err)
		}
		if info.Timestamp.Before(last) {
			t.Fatalf("packet %d goes back in time", n)
		}
		last = info.Timestamp
		p := gopacket.NewPacket(data, layers.LinkTypeEthernet, gopacket.NoCopy)
		if again := rewritten(t, p); !bytes.HasPrefix(data, again) {
			t.Fatalf("packet %d: gopacket would write\n%x, not\n%x", n, again, data)
		}
		if row, ok := firsts[n]; ok {
			src, dst := p.NetworkLayer().NetworkFlow().Endpoints()
			if row[2] != src.String() || row[4] != dst.String() {
				t.Errorf("packet %d goes from %v to %v, the manifest says %v", n, src, dst, row)
			}
			delete(firsts, n)
		}
	}
	if len(firsts) > 0 {
		t.Errorf("packets of the manifest that are not there: %v", firsts)
	}
}

func manifestByPacket(t *testing.T, text string) map[int][]string {
	t.Helper()
	rows := make(map[int][]string)
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		fields := strings.Split(line, "\t")
		if i == 0 {
			continue
		}
		n := 0
		for _, digit := range fields[0] {
			n = 10*n + int(digit-'0')
		}
		rows[n] = fields
	}
	if len(rows) < 40 {
		t.Fatalf("only %d hidden flows", len(rows))
	}
	return rows
}

// rewritten is the packet up to its transport payload as gopacket writes it, with the payload behind.
func rewritten(t *testing.T, p gopacket.Packet) []byte {
	t.Helper()
	var out []gopacket.SerializableLayer
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.TCP:
			if err := l.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
				t.Fatal(err)
			}
			out = append(out, l, gopacket.Payload(l.Payload))
		case *layers.UDP:
			if err := l.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
				t.Fatal(err)
			}
			out = append(out, l, gopacket.Payload(l.Payload))
		case *layers.ICMPv6:
			if err := l.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
				t.Fatal(err)
			}
			out = append(out, l, gopacket.Payload(l.Payload))
		case *layers.ICMPv4:
			out = append(out, l, gopacket.Payload(l.Payload))
		case *layers.Ethernet, *layers.Dot1Q, *layers.IPv4, *layers.IPv6, *layers.ARP:
			out = append(out, l.(gopacket.SerializableLayer))
			continue
		default:
			continue
		}
		break
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, out...); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestAgenda(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var a agenda
	var want []int64
	for i := range 1000 {
		at := r.Int64N(500)
		a, want = append(a, event{at, uint32(i)}), append(want, at)
	}
	slices.SortFunc(a, func(x, y event) int { return int(x.at - y.at) })
	for i := range 500 { // put some off, as flows do
		later := a[0].at + r.Int64N(300)
		want[slices.Index(want, a[0].at)] = later
		a.replaceFirst(event{later, uint32(i)})
	}
	slices.Sort(want)
	for i, w := range want {
		if a[0].at != w {
			t.Fatalf("event %d comes at %d, want %d", i, a[0].at, w)
		}
		a.removeFirst()
	}
}

// TestSealedInitials has a server of quic-go open the Initials that this program sealed: it answers only what it
// could decrypt and parse.
func TestSealedInitials(t *testing.T) {
	for _, v := range []quicVersion{quicV1, quicV2} {
		cert := issue(certShape{subject: anyNetRelay.subject, issuer: publicCA, names: []string{anyDeskRelay}})
		seen := make(chan string, 1)
		config := &tls.Config{NextProtos: []string{"h3"}, GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			seen <- h.ServerName
			return &tls.Config{NextProtos: []string{"h3"}, Certificates: []tls.Certificate{*cert}}, nil
		}}
		listener, err := quic.ListenAddr("127.0.0.1:0", config, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		socket, err := net.Dial("udp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		c, err := quicOpening(v, quicShape, seeded(3, "oracle"))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range c {
			if d.server {
				continue
			}
			if _, err := socket.Write(d.data); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		select {
		case name := <-seen:
			if name != anyDeskRelay {
				t.Errorf("version %#x: quic-go read %q", v.number, name)
			}
		case <-ctx.Done():
			t.Errorf("version %#x: quic-go did not read the ClientHello", v.number)
		}
	}
}
