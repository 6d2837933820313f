package lolrmm

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rmmwatch/rmmwatch/sensor/detect"
	"github.com/rmmwatch/rmmwatch/sensor/intel"
)

// What the catalogue cannot say, or not as narrowly.
const (
	omitArtifact = "LOLRMM knows names and ports only"
	omitDepth    = "a star in front means any depth, where one label is meant"
)

// outDocument is a file of the catalogue, as far as rules have something to say.
type outDocument struct {
	Name            string       `yaml:"Name"`
	Category        string       `yaml:"Category"`
	Description     string       `yaml:"Description"`
	Author          string       `yaml:"Author"`
	Created         string       `yaml:"Created"`
	LastModified    string       `yaml:"LastModified"`
	Details         outDetails   `yaml:"Details"`
	Artifacts       outArtifacts `yaml:"Artifacts"`
	Detections      []string     `yaml:"Detections"`
	References      []string     `yaml:"References"`
	Acknowledgement []string     `yaml:"Acknowledgement"`
}

type outDetails struct {
	Website         string   `yaml:"Website"`
	Capabilities    []string `yaml:"Capabilities"`
	Vulnerabilities []string `yaml:"Vulnerabilities"`
	Installation    []string `yaml:"InstallationPaths"`
}

type outArtifacts struct {
	Disk     []string     `yaml:"Disk"`
	EventLog []string     `yaml:"EventLog"`
	Registry []string     `yaml:"Registry"`
	Network  []outNetwork `yaml:"Network"`
}

type outNetwork struct {
	Description string   `yaml:"Description"`
	Domains     []string `yaml:"Domains"`
	Ports       []int    `yaml:"Ports"`
}

// Export writes a file for each tool that has a name or a port. A star is all
// that the catalogue has for wildcards.
func Export(e *intel.Export) ([]intel.ExportFile, error) {
	var files []intel.ExportFile
	for i := range e.Tools {
		t := &e.Tools[i]
		d := outDocument{
			Name: intel.Clean(t.Name, 200), Category: "RMM", Description: intel.Clean(t.Plain, 1000), Author: "rmmwatch",
			Created: e.Date.Format(time.DateOnly), LastModified: e.Date.Format(time.DateOnly),
		}
		if t.Class == "rat" {
			d.Category = "RAT"
		}
		if len(t.Owned) > 0 {
			d.Details.Website = t.Owned[0]
		}
		for _, in := range t.Chosen {
			if n, ok := outArtifact(e, t, in); ok {
				d.Artifacts.Network = append(d.Artifacts.Network, n)
			}
		}
		if d.Artifacts.Network == nil {
			continue
		}
		for _, a := range t.Attack {
			d.References = append(d.References, "https://attack.mitre.org/techniques/"+strings.ReplaceAll(a, ".", "/")+"/")
		}
		var b bytes.Buffer
		enc := yaml.NewEncoder(&b)
		enc.SetIndent(2)
		if err := enc.Encode(&d); err != nil {
			return nil, fmt.Errorf("lolrmm: %s: %w", t.ID, err)
		}
		files = append(files, intel.ExportFile{Name: strings.ReplaceAll(t.ID, "-", "_") + ".yaml", Data: b.Bytes()})
	}
	return files, nil
}

func outArtifact(e *intel.Export, t *intel.ExportTool, in *detect.Indicator) (n outNetwork, ok bool) {
	n = outNetwork{Description: fmt.Sprintf("%s, confidence %s", in.ID, in.Confidence), Domains: []string{}, Ports: []int{}}
	if in.Role != "" {
		n.Description += ", role " + in.Role
	}
	switch m := intel.Matchers(in); m {
	case "domain":
		names := t.Names(in)
		for i := range names.Patterns {
			p := &names.Patterns[i]
			star := p.Star()
			n.Domains = append(n.Domains, star)
			if strings.HasPrefix(star, "*.") && !p.Deep {
				e.Omit(in, p.Text, omitDepth)
			}
		}
		for _, name := range names.Except {
			e.Omit(in, "not "+name, intel.OmitExcept)
		}
	case "port":
		for _, p := range in.Port {
			for v := int(p.Lo); v <= int(p.Hi); v++ {
				n.Ports = append(n.Ports, v)
			}
		}
	default:
		e.OmitOther(in, m, omitArtifact)
		return n, false
	}
	return n, true
}
