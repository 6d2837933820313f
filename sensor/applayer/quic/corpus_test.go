package quic

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// frameReader is what pcapgo's two readers have in common.
type frameReader interface {
	ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
	LinkType() layers.LinkType
}

func openCapture(path string) (frameReader, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(b, []byte{0x0a, 0x0d, 0x0d, 0x0a}) {
		return pcapgo.NewNgReader(bytes.NewReader(b), pcapgo.DefaultNgReaderOptions)
	}
	return pcapgo.NewReader(bytes.NewReader(b))
}

// connection is a UDP flow, whose client is the side that first sent something
// that opened.
type connection struct {
	follow
	client string // source address and port
	done   bool
}

// seen is a name, and the frame that completed its ClientHello.
type seen struct {
	sni    string
	frame  int
	dport  int
	client string
}

// names reads a capture and returns the server names of its QUIC connections.
// One flow may hold several of them: whatever opens by a new connection ID
// starts anew.
func names(t *testing.T, path string) (found []seen) {
	t.Helper()
	r, err := openCapture(path)
	if err != nil {
		t.Fatal(err)
	}
	flows := map[string]*connection{}
	for frame := 1; ; frame++ {
		data, _, err := r.ReadPacketData()
		if err != nil {
			if err != io.EOF {
				t.Logf("%s: frame %d: %v", path, frame, err)
			}
			return found
		}
		p := gopacket.NewPacket(data, r.LinkType(), gopacket.Lazy)
		udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
		if !ok || p.NetworkLayer() == nil {
			continue
		}
		src := fmt.Sprint(p.NetworkLayer().NetworkFlow().Src(), " ", uint16(udp.SrcPort))
		dst := fmt.Sprint(p.NetworkLayer().NetworkFlow().Dst(), " ", uint16(udp.DstPort))
		c := flows[src+dst]
		if c == nil {
			if !LooksLikeInitial(udp.Payload) {
				continue
			}
			c = &connection{client: src}
			flows[src+dst], flows[dst+src] = c, c
		}
		c.datagram(t, datagram{server: c.client != src, data: udp.Payload})
		if info := readHello(t, c.follow.client.message()); info != nil && !c.done {
			c.done = true
			found = append(found, seen{info.ServerName, frame, int(udp.DstPort), strings.Fields(src)[0]})
		}
	}
}

// TestCorpusNames finds each name that tshark read in an Initial, in the same
// frame, and no other.
func TestCorpusNames(t *testing.T) {
	corpus := testshared.Dir(t, "corpus")
	f, err := os.Open(filepath.Join(corpus, "tshark-sni.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes = '\t', true
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]seen{}
	total := 0
	for _, row := range rows[1:] { // file, frame, src, dst, dport, sni, kind
		if row[6] != "quic" {
			continue
		}
		frame, err := strconv.Atoi(row[1])
		if err != nil {
			t.Fatal(err)
		}
		dport, _ := strconv.Atoi(row[4])
		want[row[0]] = append(want[row[0]], seen{row[5], frame, dport, row[2]})
		total++
	}
	for file, rows := range want {
		found := names(t, filepath.Join(corpus, "files", file))
		for _, w := range rows {
			if i := slices.IndexFunc(found, func(s seen) bool { return s == w }); i >= 0 {
				found = slices.Delete(found, i, i+1)
			} else {
				t.Errorf("%s: missed %+v", file, w)
			}
		}
		if len(found) > 0 {
			t.Errorf("%s: tshark did not see %+v", file, found)
		}
	}
	if total == 0 {
		t.Error("no rows: nothing was compared")
	}
}

// TestCorpusBeyond is about the captures of which tshark names no server.
func TestCorpusBeyond(t *testing.T) {
	corpus := testshared.Dir(t, "corpus")
	for _, tc := range []struct {
		file, sni string
		frame     int // of the ClientHello; 0: there is none to be read
		why       string
	}{
		{"the-tcpdump-group+tcpdump/quic_vn.pcap", "localhost", 3, "after Version Negotiation; tshark keeps the first connection ID"},
		{"ntop+nDPI/quic-forcing-vn-with-data.pcapng", "", 3, "the same"},
		{"ntop+nDPI/doq.pcapng", "", 1, "draft 32, a hello without a name"},
		{"ntop+nDPI/os_detected.pcapng", "", 1, "draft 29, a hello without a name"},
		{"ntop+nDPI/quic-33.pcapng", "", 1, "a hello without a name"},
		{"ntop+nDPI/quic-34.pcap", "", 1, "draft 34, a hello without a name"},
		{"OISF+suricata-verify/quic-v2-ja3__input.pcap", "", 1, "version 2, a hello without a name"},
		{"zeek+zeek/quic__merlinc2_Zeek_example.pcapng", "", 1, "a hello without a name"},
		{"ntop+nDPI/quic-mvfst-22_decryption_error.pcap", "", 0, "does not authenticate, nor in tshark"},
		{"cisco+mercury/unit_tests__pcaps__quic_decry.pcap", "", 0, "does not authenticate, nor in tshark"},
		{"stamparm+maltrail/sensor__tests__corpus__quic_sni.pcap", "", 0, "synthetic: no authentication tag was computed"},
		{"ntop+nDPI/quic046.pcap", "", 0, "Google's Q046, without TLS"},
	} {
		found := names(t, filepath.Join(corpus, "files", tc.file))
		ok := len(found) == 0
		if tc.frame > 0 {
			ok = len(found) == 1 && found[0].sni == tc.sni && found[0].frame == tc.frame
		}
		if !ok {
			t.Errorf("%s (%s): %+v", tc.file, tc.why, found)
		}
	}
}
