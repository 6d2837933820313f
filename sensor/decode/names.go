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
