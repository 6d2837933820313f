package decode

var tunnelNames = [NumTunnel]string{
	"", "gre", "erspan", "vxlan", "geneve", "ipip", "mpls", "pppoe", "gtp", "teredo", "l2tp", "tzsp", "pbb", "nsh",
}

// String is the tunnel's short name, empty for TunnelNone.
func (t Tunnel) String() string {
	if t < NumTunnel {
		return tunnelNames[t]
	}
	return "unknown"
}

// linkNames are link types that captures are made with and that hold no IP, or
// are too rare to be decoded (https://www.tcpdump.org/linktypes.html), by the
// names that tcpdump shows for them.
var linkNames = map[uint32]string{
	6: "IEEE802", 7: "ARCNET", 8: "SLIP", 100: "ATM_RFC1483", 107: "FRELAY", 114: "LTALK", 122: "IP_OVER_FC", 123: "SUNATM",
	129: "ARCNET_LINUX", 138: "APPLE_IP_OVER_IEEE1394", 140: "MTP2", 141: "MTP3", 142: "SCCP", 143: "DOCSIS", 144: "LINUX_IRDA",
	166: "PPP_PPPD", 177: "LINUX_LAPD", 187: "BLUETOOTH_HCI_H4", 189: "USB_LINUX", 195: "IEEE802_15_4", 197: "ERF",
	201: "BLUETOOTH_HCI_H4_WITH_PHDR", 202: "AX25_KISS", 209: "IPMB_LINUX", 215: "IEEE802_15_4_NONASK_PHY",
	220: "USB_LINUX_MMAPPED", 224: "FC_2", 226: "IPNET", 227: "CAN_SOCKETCAN", 230: "IEEE802_15_4_NOFCS", 231: "DBUS", 239: "NFLOG",
	240: "NETANALYZER", 241: "NETANALYZER_TRANSPARENT", 242: "IPOIB", 247: "INFINIBAND", 248: "SCTP", 249: "USBPCAP",
	251: "BLUETOOTH_LE_LL", 253: "NETLINK", 254: "BLUETOOTH_LINUX_MONITOR", 256: "BLUETOOTH_LE_LL_WITH_PHDR",
	264: "ISO_14443", 265: "RDS", 272: "NORDIC_BLE", 273: "DOCSIS31_XRA31", 274: "ETHERNET_MPACKET",
}

// LinkName is the name that tcpdump has for a link type that is not decoded,
// empty where it is not known here.
func LinkName(link uint32) string { return linkNames[link] }
