package zeek

import (
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/intel/importtest"
)

const table = "#fields\tindicator\tindicator_type\tmeta.source\tmeta.desc\n" +
	"relay.alpha.com\tIntel::DOMAIN\trmmwatch\talpha relay, confidence high, role relay\n" +
	"*.alpha.com\tIntel::DOMAIN\tx\t-\n" +
	"203.0.113.7\tIntel::ADDR\tx\t-\n" +
	"198.51.100.0/24\tIntel::SUBNET\tx\t-\n" +
	"beta.com/a\tIntel::URL\tx\t-\n" +
	"Alpha\\x2f7\tIntel::SOFTWARE\tx\t-\n" +
	"aa\tIntel::FILE_HASH\tx\t-\n" +
	"aa\tIntel::CERT_HASH\tx\t-\n" +
	"aa\tIntel::NEW\tx\t-\n" +
	"short.com\tIntel::DOMAIN\n" +
	"user_managed\tIntel::DOMAIN\tx\t-\n"

func TestImport(t *testing.T) {
	importtest.Outcomes(t, Import("x.intel", []byte(table)), `
		2 imported domain=relay.alpha.com: relay.alpha.com
		3 quarantined syntax: *.alpha.com
		4 imported ip=203.0.113.7/32: 203.0.113.7
		5 imported ip=198.51.100.0/24: 198.51.100.0/24
		6 imported host=beta.com path=/a: beta.com/a
		7 imported agent=Alpha/7: Alpha/7
		8 quarantined not observable: aa
		9 quarantined unsupported: aa
		10 quarantined unsupported: aa
		11 quarantined syntax: short.com
		12 quarantined junk: user_managed
	`)
	importtest.Outcomes(t, Import("x.intel", []byte("#fields\tindicator\n")), "1 quarantined syntax: (the whole file)")
	importtest.Outcomes(t, Import("x.intel", []byte("a.com\tIntel::DOMAIN\n")), "1 quarantined syntax: (the whole file)")
}

func FuzzImport(f *testing.F) { importtest.Fuzz(f, Import, table) }
