package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

const usage = `usage:
  gen mix -o FILE [-size 1.4GB] [-packet 800] [-flows 200000] [-span 2m] [-seed 1] [-manifest FILE]
  gen cases -o DIR [CASE...]`

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(args []string, progress io.Writer) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	switch args[0] {
	case "mix":
		return runMix(args[1:], progress)
	case "cases":
		return runCases(args[1:])
	}
	return fmt.Errorf("%q is not a command; %s", args[0], usage)
}

func runCases(args []string) error {
	flags := flag.NewFlagSet("gen cases", flag.ContinueOnError)
	dir := flags.String("o", "", "`DIR` to write the captures to")
	rows := flags.Bool("rows", false, "print the cases' lines of pcaps/README.md instead")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *rows {
		for _, c := range allCases() {
			fmt.Println(c.row())
		}
		return nil
	}
	if *dir == "" {
		return errors.New("cases needs -o DIR")
	}
	return writeCases(*dir, flags.Args())
}

// byteSize is a flag such as 1GiB, 2.1GB or 500000.
type byteSize int64

func (b *byteSize) String() string { return strconv.FormatInt(int64(*b), 10) }

func (b *byteSize) Set(s string) error {
	units := []struct {
		suffix string
		size   float64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}, {"", 1}}
	for _, u := range units {
		if number, ok := strings.CutSuffix(s, u.suffix); ok {
			v, err := strconv.ParseFloat(number, 64)
			if err != nil || v <= 0 || v*u.size > 1<<42 {
				return fmt.Errorf("%q is not a size such as 1GiB or 2.1GB", s)
			}
			*b = byteSize(v * u.size)
			return nil
		}
	}
	return nil
}

func runMix(args []string, progress io.Writer) (err error) {
	flags := flag.NewFlagSet("gen mix", flag.ContinueOnError)
	size := byteSize(1_400_000_000) // less, and 200,000 handshakes bring the average packet under 800 bytes
	shape := mixShape{}
	path := flags.String("o", "", "capture `FILE` to write, - for standard output")
	manifest := flags.String("manifest", "", "`FILE` that lists the hidden remote-access flows")
	flags.Var(&size, "size", "bytes of the capture, about")
	flags.IntVar(&shape.packet, "packet", 800, "average bytes a packet")
	flags.IntVar(&shape.flows, "flows", 200_000, "flows")
	flags.DurationVar(&shape.span, "span", 2*time.Minute, "packet time from first to last")
	flags.Uint64Var(&shape.seed, "seed", 1, "the same seed gives the same capture")
	if err := flags.Parse(args); err != nil {
		return err
	}
	shape.bytes = int64(size)
	if *path == "" {
		return errors.New("mix needs -o FILE")
	}
	if shape.packet < 60 || shape.flows < 1 || shape.flows > mixHosts*1000 || shape.span <= 0 {
		return errors.New("-packet, -flows or -span is out of range")
	}
	out, err := create(*path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	var list io.WriteCloser
	if *manifest != "" {
		if list, err = create(*manifest); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, list.Close()) }()
	}
	began := time.Now()
	packets, written, err := writeMix(out, list, shape)
	if err != nil {
		return err
	}
	fmt.Fprintf(progress, "%d packets, %d bytes, %d flows in %.1f s\n", packets, written, shape.flows, time.Since(began).Seconds())
	return nil
}

// create opens a file for writing; - is standard output.
func create(path string) (io.WriteCloser, error) {
	if path == "-" {
		return os.Stdout, nil
	}
	return os.Create(path)
}
