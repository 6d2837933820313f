package tls

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/netip"
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

// The tests below compare with readings of captures by others. They put TCP
// streams together in the simplest way, with gopacket; a frame is judged by the
// stream as far as that frame, from any segment's start, because TLS may begin
// behind a CONNECT, a STARTTLS or a negotiation of RDP.

// rows reads a table of the corpus; the first row names the columns.
func rows(t *testing.T, name string) []map[string]string {
	t.Helper()
	f, err := os.Open(filepath.Join(testshared.Dir(t, "corpus"), name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = '\t', true, -1
	all, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, fields := range all[1:] {
		row := map[string]string{}
		for i, column := range all[0] {
			if i < len(fields) {
				row[column] = fields[i]
			}
		}
		out = append(out, row)
	}
	return out
}

func byFile(all []map[string]string) map[string][]map[string]string {
	files := map[string][]map[string]string{}
	for _, row := range all {
		files[row["file"]] = append(files[row["file"]], row)
	}
	return files
}

// stream is one direction of a connection: its bytes in order, and the offsets
// at which segments began.
type stream struct {
	next    uint32
	started bool
	data    []byte
	starts  []int
	early   map[uint32][]byte
}

func (s *stream) add(tcp *layers.TCP) {
	if tcp.SYN {
		*s = stream{next: tcp.Seq + 1, started: true, early: map[uint32][]byte{}}
		tcp.Seq++ // of the data, should the SYN carry any (RFC 7413)
	}
	if !s.started {
		*s = stream{next: tcp.Seq, started: true, early: map[uint32][]byte{}}
	}
	if len(tcp.Payload) == 0 || len(s.data) > 1<<20 {
		return
	}
	s.early[tcp.Seq] = append([]byte(nil), tcp.Payload...)
	for moved := true; moved; {
		moved = false
		for seq, b := range s.early {
			skip := int(int32(s.next - seq))
			if skip < 0 {
				continue
			}
			delete(s.early, seq)
			if skip < len(b) {
				s.starts = append(s.starts, len(s.data))
				s.data = append(s.data, b[skip:]...)
				s.next += uint32(len(b) - skip)
				moved = true
			}
		}
	}
}

// walk calls visit for each TCP segment of a capture, with its frame number and
// the stream up to it.
func walk(t *testing.T, file string, visit func(frame int, src, dst netip.AddrPort, s *stream)) error {
	t.Helper()
	f, err := os.Open(filepath.Join(testshared.Dir(t, "corpus"), "files", file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var next func() ([]byte, gopacket.CaptureInfo, error)
	var link layers.LinkType
	if r, err := pcapgo.NewReader(f); err == nil {
		next, link = r.ReadPacketData, r.LinkType()
	} else {
		f.Seek(0, io.SeekStart)
		r, err := pcapgo.NewNgReader(f, pcapgo.NgReaderOptions{WantMixedLinkType: true})
		if err != nil {
			return err
		}
		next = r.ReadPacketData
	}
	streams := map[[2]netip.AddrPort]*stream{}
	for frame := 1; ; frame++ {
		data, info, err := next()
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil
			}
			return err
		}
		if len(info.AncillaryData) > 0 { // pcapng: of the packet's interface
			link = info.AncillaryData[0].(layers.LinkType)
		}
		src, dst, tcp := segment(data, link)
		if tcp == nil {
			continue
		}
		key := [2]netip.AddrPort{src, dst}
		if streams[key] == nil {
			streams[key] = &stream{}
		}
		streams[key].add(tcp)
		visit(frame, src, dst, streams[key])
	}
}

// segment returns the innermost TCP segment of a frame.
func segment(data []byte, link layers.LinkType) (src, dst netip.AddrPort, tcp *layers.TCP) {
	var from, to netip.Addr
	for _, layer := range gopacket.NewPacket(data, link, gopacket.NoCopy).Layers() {
		switch l := layer.(type) {
		case *layers.IPv4:
			from, to, tcp = addr(l.SrcIP), addr(l.DstIP), nil
		case *layers.IPv6:
			from, to, tcp = addr(l.SrcIP), addr(l.DstIP), nil
		case *layers.TCP:
			tcp = l
		}
	}
	if tcp == nil {
		return
	}
	return netip.AddrPortFrom(from, uint16(tcp.SrcPort)), netip.AddrPortFrom(to, uint16(tcp.DstPort)), tcp
}

func addr(ip []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// heads yields what TLS could start with in the stream, the newest first. The
// hello that answers a HelloRetryRequest stands behind a ChangeCipherSpec.
func (s *stream) heads(yield func([]byte) bool) {
	for _, at := range slices.Backward(s.starts) {
		head := s.data[at:]
		if !yield(head) {
			return
		}
		if bytes.HasPrefix(head, []byte{20, 3, 3, 0, 1, 1}) && !yield(head[6:]) {
			return
		}
	}
}

// notOurs gives, by capture, the reason why a hello or certificate that tshark
// sees is out of this package's or this test's reach.
var notOurs = map[string]string{
	"LibtraceTeam+libtrace/traces__8021x.pcap":                     "EAP-TLS, not over TCP",
	"LibtraceTeam+libtrace/traces__radius.pcap":                    "EAP-TLS, not over TCP",
	"corelight+zeek-openvpn/Traces__openvpn_tcp_nontlsauth.pcap":   "TLS inside of OpenVPN",
	"zeek+zeek/globus-url-copy.pcap":                               "TLS inside of FTP's AUTH GSSAPI",
	"zeek+zeek/globus-url-copy-bad-encoding.pcap":                  "TLS inside of FTP's AUTH GSSAPI",
	"zeek+zeek/krb__kinit.pcap":                                    "a certificate inside of Kerberos",
	"ntop+nDPI/rdp2.pcap":                                          "TLS inside of RDP over UDP",
	"ntop+nDPI/quic-33.pcapng":                                     "QUIC",
	"ntop+nDPI/doq.pcapng":                                         "QUIC",
	"ntop+nDPI/capwap_data.pcapng":                                 "CAPWAP, which gopacket does not decode",
	"cisco+mercury/unit_tests__pcaps__tls_sgt.pcap":                "Cisco metadata tags, which gopacket does not decode",
	"cisco+mercury/unit_tests__pcaps__sll2_tls.pcap":               "link type 276, which gopacket's reader mistakes",
	"zeek+zeek/tls__openjdk-25.0.2-zeek.org.pcap":                  "link type 276, which gopacket's reader mistakes",
	"ntop+nDPI/haproxy.pcap":                                       "behind a PROXY line in the same segment",
	"ntop+nDPI/tls_cipher_lens.pcap":                               "malformed lengths: tshark shows nothing either",
	"ntop+nDPI/tls_invalid_reads.pcap":                             "malformed: tshark shows no JA3 of it, or one of a part",
	"ntop+nDPI/anyconnect-vpn.pcap":                                "a client's certificate",
	"nfstream+nfstream/anydesk.pcap":                               "a client's certificate",
	"zeek+zeek/tls__client-certificate.pcap":                       "a client's certificate",
	"OISF+suricata-verify/tls__tls-store-02__tls-client-auth.pcap": "a client's certificate",
	"zeek+zeek/tls__xmpp-dialback-starttls.pcap":                   "a client's certificate",
}

// TestCorpusClientHello compares each hello that tshark found over TCP.
func TestCorpusClientHello(t *testing.T) {
	p := NewParser()
	good := 0
	for file, all := range byFile(rows(t, "tshark-clienthello.tsv")) {
		found := map[int]*hellos{}
		for _, row := range all {
			if strings.HasPrefix(row["transport"], "tcp") {
				found[number(row)] = &hellos{}
			}
		}
		if len(found) == 0 {
			continue
		}
		err := walk(t, file, func(frame int, _, _ netip.AddrPort, s *stream) {
			var h ClientHello
			for head := range s.heads {
				if found[frame] == nil {
					return
				}
				if st := p.Client(head, &h); st == Done || st == Malformed {
					found[frame].add(t, &h)
				}
			}
		})
		for _, row := range all {
			switch f := found[number(row)]; {
			case f == nil:
			case f.has(row):
				good++
			case notOurs[file] == "":
				t.Errorf("%s %s: %v\n%q, tshark says\n%s", file, row["frame"], err, f.text, row)
			}
		}
	}
	if good < 850 {
		t.Errorf("only %d hellos compared", good)
	}
	t.Logf("%d agree", good)
}

func number(row map[string]string) int {
	n, _ := strconv.Atoi(row["frame"])
	return n
}

// hellos are those that were read in streams up to one frame.
type hellos struct{ text []string }

func (f *hellos) add(t *testing.T, h *ClientHello) {
	var protos, exts []string
	for it := h.ALPNs(); ; {
		proto, ok := it.Next()
		if !ok {
			break
		}
		protos = append(protos, string(proto))
	}
	for b := h.Extensions; len(b) > 0; b = b[4+be16(b[2:]):] {
		exts = append(exts, strconv.Itoa(int(u16(b))))
	}
	ja3 := h.JA3(nil)
	f.text = append(f.text, fmt.Sprintf("%s|%s|%s|%s", h.SNI, strings.Join(protos, ";"), ja3, strings.Join(exts, ";")))

	// Nobody knows which of these are real: that the kind follows the name is
	// an assumption here too, so this only holds the shapes of payload that
	// browsers send against the rules of ECH.
	want := ECHGREASE
	if string(h.SNI) == echPublicName {
		want = ECHReal
	}
	if kind, _ := h.ECH(); h.HasECH && kind != want {
		t.Errorf("%s: ECH %s, want %s", h.SNI, kind, want)
	}
}

// has reports whether one of the hellos reads as tshark read it.
func (f *hellos) has(row map[string]string) bool {
	want := fmt.Sprintf("%s|%s|%s|%s", row["sni"], row["alpn"], row["ja3"], row["extensions"])
	return slices.Contains(f.text, want)
}

// TestCorpusCertificates compares the leaf's names with tshark's, which lists
// those of the whole chain.
func TestCorpusCertificates(t *testing.T) {
	p := NewParser()
	good := 0
	for file, all := range byFile(rows(t, "tshark-cert.tsv")) {
		problem := map[int]string{}
		asked := map[int]map[string]string{}
		for _, row := range all {
			asked[number(row)] = row
			problem[number(row)] = "no certificate found"
		}
		err := walk(t, file, func(frame int, _, _ netip.AddrPort, s *stream) {
			for head := range s.heads {
				var f ServerFlight
				if asked[frame] == nil || problem[frame] == "" {
					return
				}
				if st := p.Server(head, &f); st == Done && f.CertStatus == CertOK {
					problem[frame] = compareCert(&f.Cert, asked[frame])
				}
			}
		})
		for frame, text := range problem {
			if text == "" {
				good++
			} else if notOurs[file] == "" {
				t.Errorf("%s %d: %s (%v): %s", file, frame, text, err, asked[frame]["names"])
			}
		}
	}
	if good < 430 {
		t.Errorf("only %d certificates compared", good)
	}
	t.Logf("%d agree", good)
}

// compareCert looks for the leaf's names among tshark's columns. Those have the
// types of DirectoryString only, and of these not T61String.
func compareCert(c *Certificate, row map[string]string) string {
	for _, d := range []*DN{&c.Subject, &c.Issuer} {
		for _, a := range d.Attributes() {
			switch a.Type {
			case AttrC, AttrEmail, AttrDC, AttrSerialNumber, AttrOther:
				continue
			}
			t61 := append([]byte{tagT61String, byte(len(a.Value))}, a.Value...)
			if !strings.Contains(row["names"], string(a.Value)) && !bytes.Contains(c.Raw, t61) {
				return fmt.Sprintf("%s %q is missing", attrNames[a.Type], a.Value)
			}
		}
	}
	for it := c.SANs(); ; {
		kind, value, ok := it.Next()
		if !ok {
			return ""
		}
		value, _, _ = bytes.Cut(value, []byte{0}) // tshark's output ends at a NUL
		if kind == SANDNS && !strings.Contains(row["san"], string(value)) {
			return fmt.Sprintf("alternative name %q is missing", value)
		}
	}
}

// TestCorpusJA4 compares with the values that FoxIO publishes for its captures.
func TestCorpusJA4(t *testing.T) {
	p := NewParser()
	good := 0
	for file, all := range byFile(rows(t, "ja4-expected.tsv")) {
		got := map[string][]string{}
		walk(t, file, func(_ int, src, dst netip.AddrPort, s *stream) {
			key := fmt.Sprintf("%s %s", src, dst)
			var h ClientHello
			for head := range s.heads {
				if p.Client(head, &h) == Done {
					if ja4 := string(h.AppendJA4(nil, OverTCP)); !slices.Contains(got[key], ja4) {
						got[key] = append(got[key], ja4)
					}
				}
			}
		})
		for _, row := range all {
			if row["ja4"][0] != OverTCP {
				continue
			}
			src, _ := netip.ParseAddr(row["src"])
			dst, _ := netip.ParseAddr(row["dst"])
			key := fmt.Sprintf("%s %s", hostPort(src, row["sport"]), hostPort(dst, row["dport"]))
			if !slices.Contains(got[key], row["ja4"]) {
				t.Errorf("%s %s: %q, FoxIO says %s", file, key, got[key], row["ja4"])
				continue
			}
			good++
		}
	}
	if good < 72 {
		t.Errorf("only %d values compared", good)
	}
	t.Logf("%d agree", good)
}

func hostPort(a netip.Addr, port string) netip.AddrPort {
	n, _ := strconv.Atoi(port)
	return netip.AddrPortFrom(a, uint16(n))
}
