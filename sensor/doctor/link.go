package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rmmwatch/rmmwatch/sensor/config"
)

// link is what is known of an interface. Counters are since it was made.
type link struct {
	name    string
	err     error // why the kernel could not be asked
	found   bool
	up      bool
	carrier bool
	kind    string // of a virtual one, as dummy or veth; "" for hardware
	mtu     int

	packets, dropped, missed, fifo uint64

	offloads   []string // that are on, as the kernel calls them
	changeable []string // offloads that can be turned on or off
	offloadErr error

	ring  error // why it cannot be captured from
	shunt error // why the shunt cannot be attached; nil where it was not tried
}

// checkLink judges one interface.
func checkLink(l link, c *config.Config) []Finding {
	subject := "interface " + l.name
	switch {
	case l.err != nil:
		return []Finding{{Failure, subject, "the kernel cannot be asked: " + l.err.Error(), "AF_NETLINK must be allowed (RestrictAddressFamilies in the unit)"}}
	case !l.found:
		return []Finding{{Failure, subject, "there is no such interface", "ip link names them all"}}
	}
	out := []Finding{checkUp(l, subject)}
	if l.ring != nil {
		out = append(out, Finding{Failure, "capture " + l.name, l.ring.Error(), ""})
	} else {
		out = append(out, Finding{OK, "capture " + l.name, "a ring could be opened", ""})
	}
	if l.shunt != nil {
		level := Warning
		if c.Capture.Shunt == "on" {
			level = Failure
		}
		out = append(out, Finding{level, "shunt " + l.name, l.shunt.Error(), "set `shunt: off` if it is not needed"})
	}
	return append(out, checkMTU(l), checkOffloads(l), checkDrops(l))
}

// checkUp says whether packets can come at all.
func checkUp(l link, subject string) Finding {
	switch {
	case !l.up:
		return Finding{Failure, subject, "it is down", "ip link set dev " + l.name + " up"}
	case !l.carrier:
		return Finding{Failure, subject, "it is up and has no carrier", "look at the cable, the other end and the switch's port"}
	case l.kind == "dummy":
		return Finding{Warning, subject, "it is up, but a dummy: nothing ever comes from outside", "name the interface that the switch mirrors to"}
	case l.name == "lo":
		return Finding{Warning, subject, "it is up, but sees only what this machine says to itself", "name the interface that the switch mirrors to"}
	}
	kind := ""
	if l.kind != "" {
		kind = " (" + l.kind + ")"
	}
	return Finding{OK, subject, "it is up and has a carrier" + kind, ""}
}

// checkMTU: cards drop frames that are longer than the MTU and two VLAN tags.
func checkMTU(l link) Finding {
	subject := "MTU " + l.name
	if l.mtu < 1500 {
		return Finding{Warning, subject, fmt.Sprintf("%d is less than Ethernet's 1500: most cards drop longer frames", l.mtu), fmt.Sprintf("ip link set dev %s mtu 1500", l.name)}
	}
	return Finding{OK, subject, fmt.Sprintf("%d; must not be less than that of the network that is watched", l.mtu), ""}
}

// merging are the offloads that make one packet of several before a packet socket
// sees them, by their names in the kernel (net/ethtool/common.c) and in `ethtool -K`.
var merging = []struct{ kernel, tool string }{{"rx-gro", "gro"}, {"rx-lro", "lro"}, {"rx-gro-hw", "rx-gro-hw"}}

func checkOffloads(l link) Finding {
	subject := "offloads " + l.name
	if l.offloadErr != nil {
		return Finding{Warning, subject, "they cannot be read: " + l.offloadErr.Error(), "look at ethtool -k " + l.name + ": GRO and LRO should be off"}
	}
	var on, off []string
	for _, m := range merging {
		if slices.Contains(l.offloads, m.kernel) {
			on = append(on, m.tool)
			if slices.Contains(l.changeable, m.kernel) {
				off = append(off, m.tool+" off")
			}
		}
	}
	if len(on) > 0 {
		verb := " is"
		if len(on) > 1 {
			verb = " are"
		}
		do := "ethtool -K " + l.name + " " + strings.Join(off, " ")
		if len(off) == 0 {
			do = "the driver does not let it be turned off: in a virtual machine, turn off guest offloads at its host"
		}
		return Finding{Warning, subject, strings.Join(on, ", ") + verb + " on: packets are merged before they are counted and read", do}
	}
	found := "nothing merges packets (GRO and LRO are off)"
	if slices.Contains(l.offloads, "rx-vlan-hw-parse") {
		found += "; VLAN tags come beside the frames (rx-vlan-offload), which is fine"
	}
	return Finding{OK, subject, found, ""}
}

// checkDrops tells what was lost before a packet socket could see it.
func checkDrops(l link) Finding {
	subject := "drops " + l.name
	if l.missed+l.fifo+l.dropped == 0 {
		return Finding{OK, subject, fmt.Sprintf("none of %d packets", l.packets), ""}
	}
	found := fmt.Sprintf("since it was made %d packets came, and were lost: rx_missed_errors %d, rx_fifo_errors %d, rx_dropped %d", l.packets, l.missed, l.fifo, l.dropped)
	do := "rx_dropped may be packets of unknown protocols; if it grows with the traffic, see ethtool -S " + l.name
	if l.missed+l.fifo > 0 {
		do = "the card's queue was full: ethtool -G " + l.name + " rx 4096 (ethtool -g tells the most)"
	}
	return Finding{Warning, subject, found, do}
}
