// Command replaybench measures a replay of one capture from outside: the CPU
// time of the whole process, beside that of cat and of a plain gopacket loop
// over the same file, in turn, several times, so that the ratios hold on a noisy
// machine. make bench calls it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/rmmwatch/rmmwatch/sensor/capture"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "replaybench:", err)
		os.Exit(1)
	}
}

func run() error {
	binary := flag.String("rmmwatch", "./rmmwatch", "the program")
	runs := flag.Int("n", 5, "counted runs of each command, after one that is not")
	ethernet := flag.String("ethernet", "", "be the plain gopacket loop on this interface, until SIGTERM")
	plain := flag.Bool("gopacket", false, "be the plain gopacket loop")
	least := flag.Bool("floor", false, "print how many packets of the capture must reach the sensor whatever a shunt does")
	flag.Parse()
	if *ethernet != "" {
		n, err := ethernetLoop(*ethernet)
		fmt.Println(n, "packets")
		return err
	}
	if flag.NArg() != 1 {
		return errors.New("give one capture")
	}
	file := flag.Arg(0)
	if *least {
		return floor(file, os.Stdout)
	}
	if *plain {
		n, err := gopacketLoop(file)
		fmt.Println(n, "packets")
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return compare(file, *runs, []command{
		{"cat", []string{"cat", file}},
		{"rmmwatch replay", []string{*binary, "replay", "--quiet", "--format", "eve", file}},
		{"gopacket DecodingLayerParser", []string{self, "-gopacket", file}},
	})
}

type command struct {
	name string
	args []string
}

// compare runs the commands in turn and prints the median of each with its
// ratio to the first.
func compare(file string, runs int, commands []command) error {
	packets, err := count(file)
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d packets, %d bytes, median of %d runs\n", file, packets, info.Size(), runs)
	cpu := make([][]float64, len(commands))
	rss := make([]int64, len(commands))
	for i := range runs + 1 {
		for j, c := range commands {
			seconds, kib, err := measure(c.args)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if i > 0 { // the first run warms the page cache
				cpu[j], rss[j] = append(cpu[j], seconds), max(rss[j], kib)
			}
		}
	}
	fmt.Printf("%-30s %10s %12s %10s %8s %8s\n", "", "CPU s", "packets/s", "ns/packet", "x cat", "MiB")
	for j, c := range commands {
		ratios := make([]float64, runs)
		for i := range ratios {
			ratios[i] = cpu[j][i] / cpu[0][i]
		}
		m := median(cpu[j])
		fmt.Printf("%-30s %10.2f %12.0f %10.0f %8.2f %8d\n", c.name, m, float64(packets)/m, m/float64(packets)*1e9, median(ratios), rss[j]>>10)
	}
	return nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// measure returns a command's user and system time and its peak memory in KiB.
func measure(args []string) (seconds float64, kib int64, err error) {
	cmd := exec.Command(args[0], args[1:]...)
	out, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return 0, 0, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	if err := cmd.Run(); err != nil {
		return 0, 0, err
	}
	used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return float64(used) / float64(time.Second), peak(cmd.ProcessState), nil
}

// count is how many packets the capture has.
func count(file string) (n uint64, err error) {
	src, err := capture.Open([]string{file}, capture.Options{})
	if err != nil {
		return 0, err
	}
	defer src.Close()
	frames := make([]capture.Frame, 64)
	for {
		k, err := src.ReadBatch(frames)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		n += uint64(k)
	}
}

// gopacketLoop is what one writes first: read a packet without copying, decode
// it into layers that are reused, look at nothing.
func gopacketLoop(file string) (n int, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		return 0, err
	}
	h := newHeaders()
	for {
		data, _, err := r.ZeroCopyReadPacketData()
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		n++
		h.decode(data)
	}
}

// headers decodes into layers that are reused.
type headers struct {
	eth     layers.Ethernet
	tag     layers.Dot1Q
	ip4     layers.IPv4
	ip6     layers.IPv6
	tcp     layers.TCP
	udp     layers.UDP
	payload gopacket.Payload
	parser  *gopacket.DecodingLayerParser
	decoded []gopacket.LayerType
}

func newHeaders() *headers {
	h := &headers{parser: gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet)}
	h.parser.SetDecodingLayerContainer(gopacket.DecodingLayerArray(nil))
	for _, l := range []gopacket.DecodingLayer{&h.eth, &h.tag, &h.ip4, &h.ip6, &h.tcp, &h.udp, &h.payload} {
		h.parser.AddDecodingLayer(l)
	}
	h.parser.IgnoreUnsupported = true
	return h
}

func (h *headers) decode(data []byte) {
	_ = h.parser.DecodeLayers(data, &h.decoded) // ARP and its like are errors to it
}
