package decode

import (
	"bufio"
	"flag"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var withTshark = flag.String("tshark", "", "compare the captures of these categories (letters of the corpus' index) with tshark; it takes minutes")

// TestTshark compares addresses and ports of the innermost packet with what tshark
// says, frame by frame. Differences are logged, and counted against the list of reasons.
func TestTshark(t *testing.T) {
	if *withTshark == "" {
		t.Skip("needs -tshark=<categories>")
	}
	frames, wrong := 0, 0
	for _, c := range captures(t) {
		if !strings.Contains(*withTshark, c.category) {
			continue
		}
		theirs, err := tsharkTuples(c.path)
		if err != nil {
			t.Logf("%s: %v", c.path, err)
		}
		var d Decoder
		var p Packet
		shown := 0
		eachFrame(t, c.path, func(n int, link uint32, data []byte) {
			d.Decode(link, data, &p)
			ours := tuple(&p)
			frames++
			their, ok := theirs[n]
			if !ok || their.tuple == ours || explained(&p, their) {
				return
			}
			wrong++
			if shown++; shown <= 3 {
				t.Logf("%s frame %d link %d\n\tours   %s (status %d)\n\ttshark %s (%s)", c.path[strings.Index(c.path, "files/"):], n, link, ours, p.Status, their.tuple, their.protocols)
			}
		})
	}
	t.Logf("%d frames, %d differ", frames, wrong)
	if wrong > 0 {
		t.Fail()
	}
}

// explained reports whether a difference is one that we want.
func explained(p *Packet, their tsharkFrame) bool {
	if p.Status == StatusFragment {
		return true // tshark was told not to reassemble, and reads the first fragment's ports
	}
	bad := slices.ContainsFunc([]string{"ogus", "Bad length", "Short segment", "Malformed"}, func(s string) bool {
		return strings.Contains(their.complaint, s)
	})
	switch {
	case bad && p.Status == StatusMalformed:
		return true // tshark shows the fields of a header that it calls bad
	case strings.Contains(their.tuple, "  "):
		return true // tshark has no ports: they were cut off
	case p.Status == StatusTruncated && (strings.HasSuffix(their.protocols, ":udp") || strings.HasSuffix(their.protocols, ":tcp")):
		return true // they were not, but the rest of the header was
	case bad && strings.HasSuffix(their.protocols, ":udp") && p.Depth > 0:
		return true // tshark minds a UDP length of 0 in a packet that offloading made too long for it
	case p.Depth == 0 && strings.Contains(their.protocols, ":geneve:"):
		return true // tshark does not look at its version
	case bad && their.tuple == "":
		return true // tshark stops there; we say plain UDP, or do not mind (IP options)
	}
	for _, reason := range []struct{ layer, why string }{
		{"capwap", "not decoded: vendors differ in the byte order of the 802.11 header inside"},
		{"lisp", "not decoded: no longer in use"},
		{"ayiya", "not decoded: its only operator has closed"},
		{"pim", "a PIM register is not a tunnel that users' traffic takes"},
		{"sflow", "samples of sFlow are not traffic"},
		{"macsec", "not decoded"},
		{"pwethheuristic", "tshark takes the control word for a part of the address when the latter starts with zeros"},
	} {
		if strings.Contains(their.protocols, reason.layer) {
			return true
		}
	}
	return false
}

// tuple is the five-tuple of p, or "" if it has none.
func tuple(p *Packet) string {
	if p.Status != StatusTransport {
		return ""
	}
	return fmt.Sprintf("%d %s %d %s %d", p.Proto, p.Src.Netip(), p.SrcPort, p.Dst.Netip(), p.DstPort)
}

type tsharkFrame struct{ tuple, protocols, complaint string }

func tsharkTuples(path string) (map[int]tsharkFrame, error) {
	fields := []string{"frame.number", "frame.protocols", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst",
		"tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport", "_ws.expert.message"}
	args := []string{"-n", "-r", path, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,", "-E", "separator=|",
		"-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-o", "tcp.desegment_tcp_streams:FALSE"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	out, err := exec.Command("tshark", args...).Output()
	frames := map[int]tsharkFrame{}
	for s := bufio.NewScanner(strings.NewReader(string(out))); s.Scan(); {
		f := strings.Split(s.Text(), "|")
		if len(f) != len(fields) {
			continue
		}
		n, _ := strconv.Atoi(f[0])
		frames[n] = tsharkFrame{innermost(f[1], f[2:]), f[1], f[len(f)-1]}
	}
	return frames, err
}

// innermost picks the last addresses and ports of tshark's lists; what follows
// ICMP is a quoted packet and does not count.
func innermost(protocols string, lists []string) string {
	layers := strings.Split(protocols, ":")
	if i := slices.IndexFunc(layers, func(l string) bool { return l == "icmp" || l == "icmpv6" }); i >= 0 {
		return ""
	}
	network, transport, proto := -1, -1, 6
	for i, l := range layers {
		switch l {
		case "ip", "ipv6":
			network = i
		case "tcp", "udp":
			transport = i
		}
	}
	if transport < network || transport < 0 {
		return ""
	}
	last := func(i int) string {
		all := strings.Split(lists[i], ",")
		return strings.TrimPrefix(all[len(all)-1], "::ffff:") // an Addr does not tell IPv4-mapped IPv6 from IPv4
	}
	addr, port := 0, 4
	if layers[network] == "ipv6" {
		addr = 2
	}
	if layers[transport] == "udp" {
		port, proto = 6, 17
	}
	return fmt.Sprintf("%d %s %s %s %s", proto, last(addr), last(port), last(addr+1), last(port+1))
}
