package suricata

import (
	"testing"

	"github.com/rmmwatch/rmmwatch/sensor/intel/importtest"
)

const signatures = `# a remark
alert dns any any -> any any (msg:"below"; dns.query; dotprefix; content:".anydesk.com"; nocase; endswith; sid:1;)
alert tls $HOME_NET any -> $EXTERNAL_NET any (msg:"exact"; flow:established,to_server; tls.sni; content:"boot.net.alpha.com"; bsize:18; fast_pattern; sid:2; metadata:rmm_tool alpha, rmm_role relay;)
alert dns any any -> any any (msg:"ET Zoho Assist: never fires"; dns.query; dotprefix; content:"..zohoassist.com"; nocase; endswith; sid:2060595;)
#alert tcp any any -> any 6129 (msg:"ET DameWare, ships disabled"; flow:established,to_server; content:"|30 11 00 00|"; startswith; sid:2068020;)
alert tls any any -> any any (msg:"TeamViewer SNI"; tls.sni; content:"teamviewer.com"; endswith; content:!"www"; sid:5;)
alert tls any any -> any any (msg:"anywhere"; tls.sni; content:"anydesk"; sid:6;)
alert tcp $HOME_NET any -> $EXTERNAL_NET 5938 (msg:"magic"; flow:established,to_server; content:"|17 24|"; depth:2; content:"ab"; distance:1; within:2; sid:7;)
alert udp any any -> any [3478,5000:5002] (msg:"size"; content:"|01|"; startswith; content:"xyz"; offset:4; depth:3; dsize:148; sid:8;)
alert tcp any any -> any any (msg:"loose"; content:"MESH"; sid:9;)
alert http any any -> any any (msg:"agent"; http.host; content:"a.alpha.com"; bsize:11; http.user_agent; content:"Alpha/"; startswith; http.method; content:"POST"; bsize:4; http.uri; content:"/poll"; content:"id="; distance:0; sid:10;)
alert tls any any -> any any (msg:"ja3"; ja3.hash; content:"e7d705a3286e19ea42f587b344ee6865"; sid:11;)
alert tls any any -> any any (msg:"cert"; flow:established,to_client; tls.cert_subject; content:"CN=AnyNet Relay"; sid:12;)
alert tls any any -> any any (msg:"pcre"; tls.sni; content:"-relay.alpha.com"; endswith; pcre:"/^instance-[^.]+-relay\.alpha\.com$/i"; pcre:!"/^\.?(?:instance\-x\-relay\.alpha\.com)$/i"; sid:13;)
alert tcp any any -> 203.0.113.7 443 (msg:"address"; sid:14;)
alert tcp any any -> any any (msg:"first"; flow:to_server; content:"HELO"; startswith; flowbits:set,a.b; noalert; sid:15;)
alert tcp any any -> any any (msg:"second"; flow:to_client; content:"EHLO"; startswith; flowbits:isset,a.b; sid:16;)
alert tcp any any -> any any (msg:"bit of others"; content:"EHLO"; startswith; flowbits:isset,nobody; sid:17;)
alert tls any any -> any any (msg:"short"; tls.sni; content:"alpha.com"; bsize:3; sid:18;)
alert tcp any any -> any any (msg:"broken"; content:"x; sid:19;)
alert ssh any any -> any any (msg:"keyword"; ssh.software; content:"x"; sid:20;)
alert dns any any -> any any \
  (msg:"legacy \; quoted"; dns_query; \
  content:"ehlo.beta.com"; isdataat:!1,relative; sid:21;)
nonsense
alert dns any any -> any any (msg:"size first"; dns.query; bsize:14; content:"boot.gamma.com"; nocase; sid:22;)
alert http any any -> any any (msg:"sizes first"; http.host; bsize:11; content:"a.alpha.com"; http.user_agent; bsize:6; content:"Alpha/"; http.method; content:"GET"; sid:23;)
alert http any any -> any any (msg:"longer"; http.user_agent; bsize:20; content:"Alpha/"; sid:24;)
alert http any any -> any any (msg:"at least"; http.uri; content:"/alpha"; startswith; bsize:>9; sid:25;)
alert tls any any -> any any (msg:"longer name"; tls.sni; bsize:30; content:".gamma.com"; endswith; sid:26;)
`

func TestImport(t *testing.T) {
	importtest.Outcomes(t, Import("x.rules", []byte(signatures)), `
		2 imported domain=anydesk.com|*.anydesk.com: sid 1 below
		3 imported domain=boot.net.alpha.com: sid 2 exact
		4 quarantined syntax: sid 2060595 ET Zoho Assist: never fires
		5 quarantined withdrawn: sid 2068020 ET DameWare, ships disabled
		6 quarantined unsupported: sid 5 TeamViewer SNI
		7 quarantined unsupported: sid 6 anywhere
		8 imported payload=tcp client 0 1724??6162 port=tcp/5938: sid 7 magic
		9 imported payload=udp any 0 01??????78797a size 148 port=udp/3478 port=udp/5000-5002: sid 8 size
		10 quarantined unsupported: sid 9 loose
		11 imported host=a.alpha.com method=POST path=*/poll*id=* agent=Alpha/*: sid 10 agent
		12 imported ja3=e7d705a3286e19ea42f587b344ee6865: sid 11 ja3
		13 imported subject=CN=AnyNet Relay*: sid 12 cert
		14 imported domain=instance-?*-relay.alpha.com: sid 13 pcre
		14 imported domain=instance-x-relay.alpha.com: except instance-x-relay.alpha.com
		15 imported ip=203.0.113.7/32 port=tcp/443: sid 14 address
		16 quarantined unsupported: sid 15 first
		17 imported payload=tcp client 0 48454c4f payload=tcp server 0 45484c4f: sid 16 second
		18 quarantined unsupported: sid 17 bit of others
		19 quarantined syntax: sid 18 short
		20 quarantined syntax: alert tcp any any -> any any (msg:"broken"; content:"x; sid:19;)
		21 quarantined unsupported: sid 20 keyword
		22 imported domain=ehlo.beta.com|*.ehlo.beta.com: sid 21 legacy \; quoted
		25 quarantined syntax: nonsense
		26 imported domain=boot.gamma.com: sid 22 size first
		27 imported host=a.alpha.com method=GET agent=Alpha/: sid 23 sizes first
		28 quarantined unsupported: sid 24 longer
		29 quarantined unsupported: sid 25 at least
		30 quarantined unsupported: sid 26 longer name
	`)
}

func FuzzImport(f *testing.F) { importtest.Fuzz(f, Import, signatures) }
