package http

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

// row is what tshark read in one frame.
type row struct{ method, host, agent, uri string }

// tsharkRows reads tshark-http.tsv: capture -> frame -> row. Frames with
// several requests, and those without a request line, are left out.
func tsharkRows(t *testing.T, corpus string) map[string]map[int]row {
	t.Helper()
	f, err := os.Open(filepath.Join(corpus, "tshark-http.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows := map[string]map[int]row{}
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		c := strings.Split(sc.Text(), "\t")
		frame, err := strconv.Atoi(c[1])
		if err != nil || len(c) < 9 || c[5] == "" || strings.Contains(c[5], ";") {
			continue
		}
		if rows[c[0]] == nil {
			rows[c[0]] = map[int]row{}
		}
		rows[c[0]][frame] = row{c[5], c[6], c[7], c[8]}
	}
	return rows
}

// payloads calls each with the innermost transport payload of every frame
// that gopacket can take apart.
func payloads(path string, each func(frame int, payload []byte)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var magic [4]byte
	if _, err := io.ReadFull(f, magic[:]); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var source interface {
		gopacket.PacketDataSource
		LinkType() layers.LinkType
	}
	if binary.BigEndian.Uint32(magic[:]) == 0x0a0d0d0a {
		source, err = pcapgo.NewNgReader(f, pcapgo.NgReaderOptions{WantMixedLinkType: true})
	} else {
		source, err = pcapgo.NewReader(f)
	}
	if err != nil {
		return err
	}
	for frame := 1; ; frame++ {
		data, info, err := source.ReadPacketData()
		if err != nil {
			return nil
		}
		link := source.LinkType()
		if len(info.AncillaryData) > 0 {
			link = info.AncillaryData[0].(layers.LinkType)
		}
		p := gopacket.NewPacket(data, link, gopacket.NoCopy)
		for i := len(p.Layers()) - 1; i >= 0; i-- {
			if l := p.Layers()[i]; l.LayerType() == layers.LayerTypeTCP || l.LayerType() == layers.LayerTypeUDP {
				each(frame, l.LayerPayload())
				break
			}
		}
	}
}

// agrees reports whether we read what tshark did. It lists every Host field
// where we take the first; its targets end at a space and, in the list, after
// some hundred bytes; where it takes the target for a fragment it has none.
func (want row) agrees(r *RequestHead) bool {
	host, _ := splitHost(strings.Split(want.host, ";")[0])
	return string(r.Method) == want.method && string(r.HostHeader) == host &&
		string(r.UserAgent) == want.agent && strings.HasPrefix(string(r.Target), want.uri)
}

// TestCorpus compares every request of the shared captures that lies in one
// segment or datagram with tshark's. Continued heads are the worker's test.
func TestCorpus(t *testing.T) {
	corpus := testshared.Dir(t, "corpus")
	compared := 0
	for file, rows := range tsharkRows(t, corpus) {
		err := payloads(filepath.Join(corpus, "files", file), func(frame int, payload []byte) {
			want, ok := rows[frame]
			if !ok || !strings.HasPrefix(string(payload), want.method+" ") {
				return // nothing here, or the end of a head that began before
			}
			compared++
			var r RequestHead
			if st := Request(payload, &r); st != Done || !want.agrees(&r) {
				t.Errorf("%s frame %d: status %d, %q, host %q, agent %q, target %q, tshark %q", file, frame, st, r.Method, r.HostHeader, r.UserAgent, r.Target, want)
			}
			if LooksLikeRequest(payload) != Done && want.method != "method" { // a test's own
				t.Errorf("%s frame %d: %q does not look like a request", file, frame, r.Method)
			}
		})
		if err != nil {
			t.Logf("%s not compared: %v", file, err)
		}
	}
	if compared < 2500 {
		t.Errorf("only %d requests compared: the captures are not what they were", compared)
	}
}
