package afpacket

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// LINKTYPE_ numbers (https://www.tcpdump.org/linktypes.html).
const (
	linkEthernet = 1
	linkRaw      = 101
	linkDot11    = 105
	linkPrism    = 119
	linkRadiotap = 127
)

// linkType is the LINKTYPE_ number of what a raw packet socket yields for an
// interface of a hardware type (ARPHRD_, linux/if_arp.h), as libpcap has it.
// libpcap reads others, as PPP, from "cooked" sockets: not done here.
func linkType(hardware uint16) (uint32, error) {
	switch hardware {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
		return linkEthernet, nil
	case unix.ARPHRD_NONE, unix.ARPHRD_RAWIP, unix.ARPHRD_TUNNEL, unix.ARPHRD_SIT: // tun, WireGuard, IPIP
		return linkRaw, nil
	case unix.ARPHRD_IEEE80211:
		return linkDot11, nil
	case unix.ARPHRD_IEEE80211_PRISM:
		return linkPrism, nil
	case unix.ARPHRD_IEEE80211_RADIOTAP:
		return linkRadiotap, nil
	}
	name := fmt.Sprint(hardware)
	if known, ok := hardwareNames[hardware]; ok {
		name += " (" + known + ")"
	}
	return 0, fmt.Errorf("its hardware type %s is not read: Ethernet, loopback, raw IP and 802.11 monitor interfaces are", name)
}

// hardwareNames are types that people try.
var hardwareNames = map[uint16]string{
	unix.ARPHRD_PPP: "PPP", unix.ARPHRD_INFINIBAND: "InfiniBand", unix.ARPHRD_CAN: "CAN", unix.ARPHRD_IPGRE: "GRE",
	unix.ARPHRD_IP6GRE: "GRE over IPv6", unix.ARPHRD_TUNNEL6: "IPv6 tunnel", unix.ARPHRD_NETLINK: "netlink monitor",
	unix.ARPHRD_IEEE802154: "IEEE 802.15.4", unix.ARPHRD_FCFABRIC: "Fibre Channel",
}
