package tls

import "fmt"

// VersionName names a protocol version as Suricata does: "TLS 1.2".
func VersionName(v uint16) string {
	switch v {
	case 0x0002:
		return "SSLv2"
	case 0x0300:
		return "SSLv3"
	case 0x0301:
		return "TLSv1"
	case 0x0302, 0x0303, 0x0304:
		return fmt.Sprintf("TLS 1.%d", v-0x0301)
	}
	return fmt.Sprintf("0x%04x", v)
}

// String is the attribute's short name as in AppendDN, empty for AttrOther.
func (t AttrType) String() string { return attrNames[t] }

// NumAttr is how many attribute types there are.
const NumAttr = AttrSerialNumber + 1
