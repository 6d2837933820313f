package web

import (
	"net/netip"
	"testing"
)

// The addresses are from the clouds' documentation and from the lists with which
// such checks are tested: every way to write 169.254.169.254.
func TestJudge(t *testing.T) {
	for _, bad := range []string{
		"169.254.169.254", "169.254.0.1", "169.254.170.2", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1",
		"::a9fe:a9fe", "64:ff9b:1:a9fe:a9:fe00::", "fe80::1", "fe80::a9fe:a9fe", "febf::1", "fe80::1%eth0", "100.100.100.200", "::ffff:100.100.100.200", "64:ff9b::6464:64c8",
		"192.0.0.192", "168.63.129.16", "::ffff:168.63.129.16", "fd00:ec2::254", "fd20:ce::254", "0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0", "224.0.0.1", "239.255.255.250",
		"ff02::1", "255.255.255.255",
	} {
		if judge(netip.MustParseAddr(bad)) == nil {
			t.Errorf("%s is let through", bad)
		}
	}
	for _, good := range []string{
		"127.0.0.1", "::1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "fd00:ec2::253", "203.0.113.7", "2001:db8::1", "192.0.0.191", "168.63.129.17",
		"::ffff:10.0.0.1", "64:ff9b::a00:1", "169.253.255.255", "169.255.0.0",
	} {
		if err := judge(netip.MustParseAddr(good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}

func TestJudgeHost(t *testing.T) {
	for _, bad := range []string{
		"", ".", "169.254.169.254", "fe80::1", "metadata.google.internal", "METADATA.google.internal.", "2852039166", "0xa9fea9fe", "0xa9.0xfe.0xa9.0xfe", "0251.0376.0251.0376",
		"169.254.43518", "169.254.169.254.", "99999999999999999999999", "instance-data",
	} {
		if judgeHost(bad) == nil {
			t.Errorf("%q is let through", bad)
		}
	}
	for _, good := range []string{"soar.corp.example", "hooks.slack.com.", "localhost", "10.0.0.1", "::1", "a1b2c3", "169.254.169.254.nip.example", "4chan.example", "siem-2"} {
		if err := judgeHost(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}
