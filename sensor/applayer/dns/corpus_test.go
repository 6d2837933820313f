package dns

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
type row struct {
	name     string // of the last question
	response bool
}

// tsharkRows reads tshark-dns.tsv: capture -> frame -> row.
func tsharkRows(t *testing.T, corpus string) map[string]map[int]row {
	t.Helper()
	f, err := os.Open(filepath.Join(corpus, "tshark-dns.tsv"))
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
		if err != nil {
			continue // the heading
		}
		if rows[c[0]] == nil {
			rows[c[0]] = map[int]row{}
		}
		rows[c[0]][frame] = row{c[4], c[5] == "1"}
	}
	return rows
}

// udpPayloads calls each with the innermost UDP payload of every frame that
// gopacket can take apart.
func udpPayloads(path string, each func(frame int, src, dst uint16, payload []byte)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var magic [4]byte
	if _, err := io.ReadFull(f, magic[:]); err != nil {
		return err
	}
	f.Seek(0, io.SeekStart)
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
			if udp, ok := p.Layers()[i].(*layers.UDP); ok {
				each(frame, uint16(udp.SrcPort), uint16(udp.DstPort), udp.Payload)
				break
			}
		}
	}
}

// reasons names every frame whose question we read otherwise than tshark, or
// not at all, by the beginning of its file name.
var reasons = map[string]string{
	"zeek+zeek/quic__vector-max-size-crash":                                        "label type 10, which tshark reports too: not a name",
	"zeek+zeek/dns-edns-ecs-bad":                                                   "overwritten payload of a broken test capture: the question has type 0",
	"idaholab+Malcolm-Test-Artifacts/plugins__ripple20__dns_over_udp_without_edns": "an exploit: the second name has more than 255 octets",
	"OISF+suricata-verify/dns__dns-forward-pointer":                                "a compression pointer forward, which no server follows",
	"kaitoy+pcap4j/pcap4j-packettest__src__test__resources__DnsPacketTest":         "an encoder's test with opcode 2 and every flag set",
	"zeek+zeek/tunnels__gre-over-udp-4754":                                         "gopacket does not look for GRE inside UDP",
}

func reason(file string) string {
	for prefix, why := range reasons {
		if strings.HasPrefix(file, prefix) {
			return why
		}
	}
	return ""
}

// TestCorpus compares the questions of every UDP frame of the shared captures
// with tshark's, which lists the last question of each message. Frames that
// gopacket does not take apart (rare link types, IP fragments, DNS quoted in
// ICMP errors) are not compared. What only we call DNS must be mDNS, or the
// NetBIOS name service that KindOf excludes.
func TestCorpus(t *testing.T) {
	corpus := testshared.Dir(t, "corpus")
	var m Message
	compared := 0
	for file, rows := range tsharkRows(t, corpus) {
		err := udpPayloads(filepath.Join(corpus, "files", file), func(frame int, src, dst uint16, payload []byte) {
			r, listed := rows[frame]
			st := Parse(payload, &m)
			if !listed {
				if kind := KindOf(src, dst); st == Done && kind != KindNone && kind != KindMDNS {
					t.Errorf("%s frame %d, ports %d and %d: only we call this DNS", file, frame, src, dst)
				}
				return
			}
			if reason(file) != "" || m.NumQuestions == MaxQuestions && m.Unstored > 0 {
				return // a batch of mDNS questions: the last one is not stored
			}
			compared++
			if m.NumQuestions == 0 || m.Response() != r.response {
				t.Errorf("%s frame %d: status %d, response %v, %d questions, want %q", file, frame, st, m.Response(), m.NumQuestions, r.name)
				return
			}
			got := string(m.Name(m.Questions[m.NumQuestions-1].Name))
			if skeleton(got) != skeleton(r.name) {
				t.Errorf("%s frame %d: %q, tshark read %q", file, frame, got, r.name)
			}
		})
		if err != nil {
			t.Logf("%s not compared: %v", file, err)
		}
	}
	if compared < 6000 {
		t.Errorf("only %d frames compared: the captures are not what they were", compared)
	}
}

// skeleton reduces a name to what both sides print alike: tshark writes some
// bytes in octal, drops or replaces those that are not UTF-8, does not escape a
// dot inside a label, and writes the root as <Root>.
func skeleton(name string) string {
	if name == "<Root>" {
		return ""
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c == '\\' && i+3 < len(name) && name[i+1] >= '0' && name[i+1] <= '9':
			i += 3
		case c > ' ' && c < 0x7f && c != '\\':
			b.WriteByte(c)
		}
	}
	return b.String()
}
