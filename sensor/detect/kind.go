package detect

var kindNames = [...]string{"flow", "dns", "tls", "quic", "certificate", "http", "connect", "payload"}

// String is the kind as alerts name it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// ParseConfidence is the confidence that String calls s; false for no such.
func ParseConfidence(s string) (Confidence, bool) {
	for c := Low; c <= High; c++ {
		if c.String() == s {
			return c, true
		}
	}
	return 0, false
}
