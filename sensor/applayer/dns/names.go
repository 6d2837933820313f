package dns

import "strconv"

// typeNames are the record types that traffic shows (IANA "Resource Record
// (RR) TYPEs").
var typeNames = map[uint16]string{
	TypeA: "A", TypeNS: "NS", TypeCNAME: "CNAME", 6: "SOA", 10: "NULL", TypePTR: "PTR", 13: "HINFO", TypeMX: "MX", 16: "TXT",
	TypeAAAA: "AAAA", 29: "LOC", TypeSRV: "SRV", 35: "NAPTR", TypeDNAME: "DNAME", TypeOPT: "OPT", 43: "DS", 44: "SSHFP",
	46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 50: "NSEC3", 52: "TLSA", TypeSVCB: "SVCB", TypeHTTPS: "HTTPS", 99: "SPF",
	249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR", 255: "ANY", 257: "CAA",
}

// TypeName is the mnemonic of a record type, or TYPE and its number as RFC 3597
// has it.
func TypeName(t uint16) string {
	if s, ok := typeNames[t]; ok {
		return s
	}
	return "TYPE" + strconv.Itoa(int(t))
}

// UsualPort reports whether DNS in one of its forms is at home on a port.
func UsualPort(port uint16) bool { return port == 53 || port == 5353 || port == 5355 }
