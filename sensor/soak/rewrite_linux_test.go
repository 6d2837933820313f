package main

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// asSent reads a frame with gopacket, which computes its checksums anew, and
// tells whether that changed anything.
func asSent(frame []byte) (flow string, payload []byte, right bool) {
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	network, transport := p.NetworkLayer(), p.TransportLayer()
	if network == nil || transport == nil || p.ErrorLayer() != nil {
		return "", nil, false
	}
	var sum, again uint16
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{ComputeChecksums: true}
	buf.PushLayer(gopacket.LayerTypePayload)
	body, _ := buf.PrependBytes(len(transport.LayerPayload()))
	copy(body, transport.LayerPayload())
	switch l := transport.(type) {
	case *layers.TCP:
		sum = l.Checksum
		l.SetNetworkLayerForChecksum(network)
		l.SerializeTo(buf, opts)
		again = l.Checksum
	case *layers.UDP:
		sum = l.Checksum
		l.SetNetworkLayerForChecksum(network)
		l.SerializeTo(buf, opts)
		again = l.Checksum
	default:
		return "", nil, false
	}
	right = sum == again
	if ip, ok := network.(*layers.IPv4); ok {
		sum = ip.Checksum
		ip.SerializeTo(gopacket.NewSerializeBuffer(), opts)
		right = right && sum == ip.Checksum
	}
	var wrapping []gopacket.LayerType // what is not taken apart stays: the same flow is another in there
	for _, l := range p.Layers()[:slices.Index(p.Layers(), transport.(gopacket.Layer))] {
		wrapping = append(wrapping, l.LayerType())
	}
	return fmt.Sprint(wrapping, network.NetworkFlow(), transport.TransportFlow()), transport.LayerPayload(), right
}

// Every bundled frame whose checksums are right has right ones afterwards, the same
// payload, and flows stay apart from each other and together.
func TestRewrite(t *testing.T) {
	paths, err := bundled("../..")
	if err != nil {
		t.Fatal(err)
	}
	frames, err := loadFrames(paths)
	if err != nil {
		t.Fatal(err)
	}
	checked, moved := 0, 0
	to, from := map[string]string{}, map[string]string{}
	for _, frame := range frames {
		before, payload, right := asSent(frame)
		if before == "" || !right {
			continue
		}
		changed := bytes.Clone(frame)
		rewrite(changed, 1003)
		after, got, right := asSent(changed)
		if !right || !bytes.Equal(got, payload) {
			t.Fatalf("%s became %s: checksums right: %t, payload the same: %t", before, after, right, bytes.Equal(got, payload))
		}
		if to[before] != "" && to[before] != after || from[after] != "" && from[after] != before {
			t.Fatalf("%s became %s and %s, which was %s", before, to[before], after, from[after])
		}
		to[before], from[after] = after, before
		checked++
		if before != after {
			moved++
		}
	}
	if checked < 500 || moved < checked*9/10 {
		t.Errorf("only %d frames were checked, and %d of them changed", checked, moved)
	}
}

// Whatever the bytes, nothing is read or written beyond them, and a loop of 0
// changes nothing.
func FuzzRewrite(f *testing.F) {
	paths, _ := bundled("../..")
	frames, err := loadFrames(paths)
	if err != nil {
		f.Fatal(err)
	}
	for i := 0; i < len(frames); i += 50 {
		f.Add(frames[i], uint32(i))
	}
	f.Fuzz(func(t *testing.T, frame []byte, loop uint32) {
		same := bytes.Clone(frame)
		rewrite(same, 0)
		rewrite(bytes.Clone(frame), loop)
		if !bytes.Equal(same, frame) {
			t.Fatalf("%x became %x", frame, same)
		}
	})
}
