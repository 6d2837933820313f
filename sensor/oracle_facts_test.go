package sensor_test

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func uitoa(n uint64) string { return strconv.FormatUint(n, 10) }

// hasJA4 holds the captures that FoxIO published fingerprints for.
var hasJA4 = make(map[string]bool)

// certNames holds, by capture in place of the kind, the names in all
// certificates: the table does not say which is whose.
var certNames = make(map[fact]bool)

// oracleFacts reads tshark's tables, by capture. Values are in these forms:
//
//	sni quic dtls gquic   the name
//	dns                   udp|tcp|mdns|llmnr query|answer name
//	http                  method host target, the host without its port
//	ja3                   the hash
//	alpn                  names joined by ;
//	san                   of the leaf certificate, sorted, joined by ;
//	cn                    of the leaf certificate, ours only: see certNames
//	ja4                   client address:port and the fingerprint
//
// Names are as plain makes them.
func oracleFacts(t *testing.T, dir string) map[string][]fact {
	t.Helper()
	facts := make(map[string][]fact)
	add := func(kind string, row []string, value string) {
		n, err := strconv.ParseUint(row[1], 10, 64)
		if err != nil {
			t.Fatalf("%s: frame %q", row[0], row[1])
		}
		facts[row[0]] = append(facts[row[0]], fact{kind, n, value})
	}
	for _, r := range table(t, dir, "tshark-sni.tsv", 7) {
		kind := r[6]
		if strings.HasPrefix(kind, "tls") {
			kind = "sni"
		}
		for _, name := range strings.Split(r[5], ";") {
			add(kind, r, plain(name))
		}
	}
	for _, r := range table(t, dir, "tshark-dns.tsv", 7) {
		kind := "query"
		if r[5][0] == '1' {
			kind = "answer"
		}
		add("dns", r, r[6]+" "+kind+" "+plain(r[4]))
	}
	for _, r := range table(t, dir, "tshark-http.tsv", 9) {
		n := strings.Count(r[5], ";") + 1
		for i := range n {
			add("http", r, request(nth(r[5], i, n), hostOnly(nth(r[6], i, n)), nth(r[8], i, n)))
		}
	}
	for _, r := range table(t, dir, "tshark-clienthello.tsv", 14) {
		if r[7] != "" && r[13] != "dtls" {
			add("ja3", r, r[7])
		}
		if r[6] != "" {
			add("alpn", r, r[6])
		}
	}
	for _, r := range table(t, dir, "tshark-cert.tsv", 7) {
		sans := strings.Split(r[6], ";")
		slices.Sort(sans)
		add("san", r, plain(strings.Join(sans, ";")))
		for _, name := range strings.Split(r[5], ";") {
			certNames[fact{kind: r[0], value: plain(name)}] = true
		}
	}
	for _, r := range table(t, dir, "ja4-expected.tsv", 7) {
		hasJA4[r[0]] = true
		facts[r[0]] = append(facts[r[0]], fact{"ja4", 0, net.JoinHostPort(r[1], r[2]) + " " + r[6]})
	}
	return facts
}

// nth is the ith of n texts that are joined by semicolons; of one it is the
// whole.
func nth(s string, i, n int) string {
	if n == 1 {
		return s
	}
	return strings.Split(s, ";")[i]
}

// table reads a table of tab-separated fields with a header.
func table(t *testing.T, dir, name string, fields int) (rows [][]string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")[1:] {
		row := strings.Split(line, "\t")
		if len(row) != fields {
			t.Fatalf("%s: %d fields in %q", name, len(row), line)
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		t.Fatalf("%s is empty", name)
	}
	return rows
}

// hostOnly cuts the port off a Host header.
func hostOnly(s string) string {
	if host, _, err := net.SplitHostPort(s); err == nil {
		return host
	}
	return s
}

// request is the value of an http fact. Of the target the table keeps 400
// bytes; CONNECT's names the host, with or without a Host header.
func request(method, host, target string) string {
	if method == "CONNECT" {
		host = ""
	}
	return method + " " + plain(host) + " " + target[:min(len(target), 400)]
}

// plain makes names comparable: lower case, a question mark for every run of
// spaces and bytes that are not printable ASCII. tshark writes those as octal escapes, or
// as U+FFFD in place of one or more, and dots within a label like any others;
// we write \DDD in DNS names, \xNN elsewhere, and a backslash before what is
// special in zone files.
func plain(s string) string {
	if s == "<Root>" {
		return ""
	}
	var b strings.Builder
	mark := func() {
		if n := b.Len(); n == 0 || b.String()[n-1] != '?' {
			b.WriteByte('?')
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+3 < len(s) && s[i+1] >= '0' && s[i+1] <= '9', c == '\\' && i+3 < len(s) && s[i+1] == 'x':
			mark()
			i += 3
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case c <= ' ' || c > '~' || c == '?':
			mark()
		default:
			b.WriteByte(c)
		}
	}
	return strings.ToLower(b.String())
}

// event is what the comparison reads of an EVE line.
type event struct {
	Number   uint64 `json:"pcap_cnt"`
	Type     string `json:"event_type"`
	SrcIP    string `json:"src_ip"`
	SrcPort  int    `json:"src_port"`
	Proto    string `json:"proto"`
	App      string `json:"app_proto"`
	Metadata struct {
		Vars []map[string]string `json:"flowvars"`
	} `json:"metadata"`
	DNS struct {
		Type string  `json:"type"`
		Name *string `json:"rrname"`
	} `json:"dns"`
	HTTP struct {
		Method string `json:"http_method"`
		Host   string `json:"hostname"`
		URL    string `json:"url"`
	} `json:"http"`
	TLS, QUIC struct {
		SNI string `json:"sni"`
		JA4 string `json:"ja4"`
		JA3 struct {
			Hash string `json:"hash"`
		} `json:"ja3"`
		Subject string `json:"subject"`
	}
}

var commonName = regexp.MustCompile(`(?:^|, |\+ ?)CN=((?:[^,+\\]|\\.)*)`)

// eventFacts reads our events in the form of oracleFacts.
func eventFacts(t *testing.T, lines string) (facts []fact) {
	for line := range strings.Lines(lines) {
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Errorf("%v in %s", err, line)
			continue
		}
		add := func(kind, value string) { facts = append(facts, fact{kind, e.Number, value}) }
		switch e.Type {
		case "dns":
			e.addDNS(add)
		case "http":
			e.addHTTP(add)
		case "tls", "quic":
			e.addTLS(add)
			if ja4 := e.TLS.JA4 + e.QUIC.JA4; ja4 != "" {
				facts = append(facts, fact{"ja4", 0, net.JoinHostPort(e.SrcIP, strconv.Itoa(e.SrcPort)) + " " + ja4})
			}
		}
	}
	return facts
}

func (e *event) vars(key string) (list []string) {
	for _, v := range e.Metadata.Vars {
		if s, ok := v[key]; ok {
			list = append(list, s)
		}
	}
	return list
}

func (e *event) addDNS(add func(kind, value string)) {
	if e.DNS.Name == nil {
		return
	}
	transport := e.App
	if transport == "dns" {
		transport = strings.ToLower(e.Proto)
	}
	add("dns", transport+" "+e.DNS.Type+" "+plain(*e.DNS.Name))
}

func (e *event) addHTTP(add func(kind, value string)) {
	host := e.HTTP.Host
	if h := e.vars("http.host_header"); len(h) > 0 {
		host = hostOnly(h[0])
	}
	add("http", request(e.HTTP.Method, host, e.HTTP.URL))
}

func (e *event) addTLS(add func(kind, value string)) {
	tls, kind := &e.TLS, "sni"
	if e.Type == "quic" {
		tls, kind = &e.QUIC, "quic"
	}
	if tls.SNI != "" {
		add(kind, plain(tls.SNI))
	}
	if tls.JA3.Hash != "" {
		add("ja3", tls.JA3.Hash)
	}
	if alpn := e.vars("tls.alpn"); len(alpn) > 0 {
		add("alpn", strings.Join(alpn, ";"))
	}
	if cn := commonName.FindStringSubmatch(tls.Subject); cn != nil {
		add("cn", plain(cn[1]))
	}
	if tls.Subject != "" || e.vars("tls.san") != nil {
		sans := e.vars("tls.san")
		slices.Sort(sans)
		add("san", plain(strings.Join(sans, ";")))
	}
}
