package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/rmmwatch/rmmwatch/sensor/config"
	"github.com/rmmwatch/rmmwatch/sensor/delivery"
	"github.com/rmmwatch/rmmwatch/sensor/detect"
)

func checkConfig(o Options) []Finding {
	if o.Err != nil {
		return lines(Failure, "configuration", o.Err, "")
	}
	if o.Path == "" {
		return []Finding{{OK, "configuration", "no file: the defaults", ""}}
	}
	return []Finding{{OK, "configuration", fmt.Sprintf("%s: %s, %s", o.Path,
		count(len(o.Config.Capture.Interfaces), "interface"), count(len(o.Config.Outputs), "output")), ""}}
}

func checkRules(o Options) []Finding {
	if o.RulesErr != nil {
		return lines(Failure, "rules", o.RulesErr, "")
	}
	return []Finding{{OK, "rules", fmt.Sprintf("%s, %s passed, version %s", count(len(o.Rules.Tools()), "tool"),
		count(len(detect.RunTests(o.Rules)), "test"), o.Rules.Version()), ""}}
}

// checkStorage is everything that is written and sent.
func checkStorage(c *config.Config) []Finding {
	return append(checkState(c), checkOutputs(c)...)
}

// checkState looks at the folder of the queues.
func checkState(c *config.Config) []Finding {
	if c.State == "" {
		return []Finding{{OK, "state", "no folder is named: nothing is kept from one start to the next", ""}}
	}
	folder, err := nearest(c.State)
	if err == nil {
		err = tryWriting(folder)
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return []Finding{{Failure, "state", fmt.Sprintf("%s: the disk is full: %v", c.State, err), "make room, or move `state` to another disk"}}
	}
	if err != nil {
		return []Finding{{Failure, "state", fmt.Sprintf("%s cannot be written to: %v", c.State, err),
			"give it to the sensor's user: install -d -m 0750 -o rmmwatch -g rmmwatch " + c.State}}
	}
	if folder != c.State {
		return append([]Finding{{OK, "state", c.State + " is not there yet: it is made at the start", ""}}, checkSpace(c, folder)...)
	}
	return append([]Finding{{OK, "state", c.State + " can be written to", ""}}, checkSpace(c, folder)...)
}

// checkSpace holds the bounds of all queues, less what they have already, against
// what is free.
func checkSpace(c *config.Config, folder string) []Finding {
	var may int64
	for _, o := range c.Outputs {
		may += int64(o.Queue.MaxMiB) << 20
		if info, err := os.Stat(delivery.QueueFile(c.State, o.Name)); err == nil {
			may -= min(info.Size(), int64(o.Queue.MaxMiB)<<20)
		}
	}
	free, err := freeSpace(folder)
	if err != nil {
		return []Finding{{Warning, "disk", fmt.Sprintf("free space below %s cannot be told: %v", folder, err), ""}}
	}
	return []Finding{judgeSpace(folder, free, may)}
}

// judgeSpace compares free bytes with those that queues may still take.
func judgeSpace(folder string, free, may int64) Finding {
	found := fmt.Sprintf("%s has %s free, and the queues may take %s more", folder, size(free), size(may))
	if free < may {
		return Finding{Warning, "disk", found, "when a receiver is away for long, alerts are lost: make room or lower `queue: {max_mib: ...}`"}
	}
	return Finding{OK, "disk", found, ""}
}

// nearest is path, or where nothing is there the nearest folder above.
func nearest(path string) (string, error) {
	for {
		info, err := os.Stat(path)
		if err == nil && !info.IsDir() {
			return "", fmt.Errorf("%s is not a folder", path)
		}
		if !errors.Is(err, fs.ErrNotExist) || filepath.Dir(path) == path {
			return path, err
		}
		path = filepath.Dir(path)
	}
}

// tryWriting writes a block to a new file and removes it: what else would tell of
// read-only mounts, quotas, access lists and full disks alike?
func tryWriting(folder string) error {
	f, err := os.CreateTemp(folder, ".rmmwatch-doctor-*")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 4096))
	if err == nil {
		err = f.Sync() // some file systems find no room before
	}
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// checkOutputs judges each output by itself.
func checkOutputs(c *config.Config) (out []Finding) {
	for i := range c.Outputs {
		o := &c.Outputs[i]
		one := *c
		one.Outputs = c.Outputs[i : i+1]
		subject := "output " + o.Name
		if err := delivery.Check(&one); err != nil {
			out = append(out, lines(Failure, subject, err, "")...)
			continue
		}
		if o.File != nil && o.File.Path != "-" {
			if err := fileWritable(o.File.Path); err != nil {
				out = append(out, Finding{Failure, subject, fmt.Sprintf("%s cannot be written: %v", o.File.Path, err), "give its folder to the sensor's user"})
				continue
			}
		}
		out = append(out, Finding{OK, subject, o.Kind + " as " + o.Format + "; settings, secrets and certificates are in order",
			"rmmwatch outputs test sends a test alert"})
	}
	if len(c.Outputs) == 0 {
		out = append(out, Finding{OK, "outputs", "none: alerts are printed", ""})
	}
	return out
}

// fileWritable looks at the folder, where the file is rotated, and at the file.
func fileWritable(path string) error {
	if err := tryWriting(filepath.Dir(path)); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// size is bytes in words.
func size(n int64) string {
	if n >= 10<<30 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
