package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// must are the reasons why a packet reaches the sensor whatever a shunt does, in
// the order in which they are asked.
var must = []string{"not TCP or UDP", "DNS", "SYN, FIN, RST", "QUIC long header", "first payload of a direction"}

// floor prints how many packets of a capture no shunt can keep in the kernel.
func floor(file string, out io.Writer) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		return err
	}
	h := newHeaders()
	seen := map[direction]bool{}
	counts := make([]int, len(must))
	total := 0
	for {
		data, _, err := r.ZeroCopyReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		total++
		if reason := h.reason(data, seen); reason >= 0 {
			counts[reason]++
		}
	}
	sum := 0
	for i, reason := range must {
		fmt.Fprintf(out, "%-30s %9d %5.1f %%\n", reason, counts[i], percent(counts[i], total))
		sum += counts[i]
	}
	fmt.Fprintf(out, "%-30s %9d %5.1f %% of %d packets\n", "pass whatever a shunt does", sum, percent(sum, total), total)
	return nil
}

func percent(n, of int) float64 { return 100 * float64(n) / float64(max(of, 1)) }

// direction is one side of a flow.
type direction struct{ network, transport gopacket.Flow }

// reason is the index in must of why data passes, -1 when a shunt might keep it.
func (h *headers) reason(data []byte, seen map[direction]bool) int {
	h.decode(data)
	var d direction
	payload, udp := 0, false
	for _, l := range h.decoded {
		switch l {
		case layers.LayerTypeIPv4:
			d.network = h.ip4.NetworkFlow()
		case layers.LayerTypeIPv6:
			d.network = h.ip6.NetworkFlow()
		case layers.LayerTypeTCP:
			d.transport, payload = h.tcp.TransportFlow(), len(h.tcp.Payload)
		case layers.LayerTypeUDP:
			d.transport, payload, udp = h.udp.TransportFlow(), len(h.udp.Payload), true
		}
	}
	switch {
	case d.transport == (gopacket.Flow{}):
		return 0
	case udp && (h.udp.SrcPort == 53 || h.udp.DstPort == 53):
		return 1
	case !udp && (h.tcp.SYN || h.tcp.FIN || h.tcp.RST):
		return 2
	case udp && payload > 0 && h.udp.Payload[0]&0xc0 == 0xc0:
		return 3
	case payload > 0 && !seen[d]:
		seen[d] = true
		return 4
	}
	return -1
}
