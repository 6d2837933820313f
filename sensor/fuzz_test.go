package sensor_test

import (
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
)

// FuzzPipeline takes hostile frames through the whole pipeline, from decoding
// to the lines of alerts and events: whatever they are, nothing panics and
// each line is JSON of printable ASCII. The input is frames, each behind its
// length in two bytes; the seeds are whole captures of ours.
func FuzzPipeline(f *testing.F) {
	for _, name := range []string{
		"anydesk-nested", "anydesk-fragments", "clienthello-records", "proxy-socks5", "quic-draft29", "dns-tcp", "dns-records",
		"rdp-tls", "http-tools", "teamviewer", "dns-multicast", "netsupport",
	} {
		src, err := capture.Open([]string{"../pcaps/" + name + "-synthetic.pcap"}, capture.Options{})
		if err != nil {
			f.Fatal(err)
		}
		var seed []byte
		for {
			data, _, err := src.ZeroCopyReadPacketData()
			if err != nil {
				break
			}
			seed = binary.BigEndian.AppendUint16(seed, uint16(len(data)))
			seed = append(seed, data...)
		}
		src.Close()
		f.Add(uint8(1), seed)
	}
	f.Fuzz(func(t *testing.T, link uint8, data []byte) {
		var list []capture.Frame
		for len(data) >= 2 && len(list) < 200 {
			n := min(int(binary.BigEndian.Uint16(data)), len(data)-2)
			list = append(list, capture.Frame{
				Data: data[2 : 2+n : 2+n], Time: int64(len(list)) * 1e6, Number: uint64(len(list) + 1), WireLen: uint32(n), Link: uint32(link),
			})
			data = data[2+n:]
		}
		r := replayFrames(t, list)
		for line := range strings.Lines(r.eve + r.events) {
			if !json.Valid([]byte(line)) {
				t.Fatalf("not JSON: %q", line)
			}
			for _, c := range []byte(line[:len(line)-1]) {
				if c < ' ' || c > '~' {
					t.Fatalf("byte %#x in %q", c, line)
				}
			}
		}
	})
}
