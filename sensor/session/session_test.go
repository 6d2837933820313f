package session_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/rmmwatch/rmmwatch/sensor/session"
	"github.com/rmmwatch/rmmwatch/sensor/testshared"
)

const second = int64(1e9)

// run meters packets and returns the sessions, in order.
func run(c session.Config, packets []packet) (out []session.Session) {
	var m session.Meter
	book := func(ch session.Change) {
		if ch&session.Closed != 0 {
			s, _ := m.Session()
			out = append(out, s)
		}
	}
	for _, p := range packets {
		book(m.Add(&c, p.at, p.up, p.size))
	}
	book(m.End(&c))
	return out
}

// show tells sessions in seconds since the first packet.
func show(sessions []session.Session, from int64) string {
	var out []string
	for _, s := range sessions {
		out = append(out, fmt.Sprintf("%s %.1f-%.1f", s.Driven, float64(s.Start-from)/1e9, float64(s.End-from)/1e9))
	}
	return strings.Join(out, ", ")
}

func forTime(seconds int64) session.Config {
	c := session.Default
	c.For = seconds * second
	return c
}

// Captures of others, from public repositories. What somebody did, and when, is read off the bytes:
// keys of a shell, mouse and screen. Most are shorter than half a minute: For is then
// what a rule file would have to say to show them.
var recorded = []struct {
	file   string
	port   uint16
	cfg    session.Config
	want   string
	reason string
}{
	{"zeek+zeek/rdp__rdp-proprietary-encryption.pcap", 3389, forTime(5), "server 12.8-19.2", "a login at a Windows desktop, then work on it"},
	{"OISF+suricata-verify/rfb-protocol-3.3__06-vnc-Password-3.3.pcap", 5900, forTime(10), "server 6.4-19.2", "keys and mouse on a VNC desktop"},
	{"nfstream+nfstream/anydesk.pcap", 80, forTime(5), "server 12.8-51.2", "a streamed screen: mouse at 15 s and from 44 to 50 s"},
	{"nfstream+nfstream/anydesk.pcap", 80, session.Default, "", "twice five seconds are not half a minute"},
	{"nfstream+nfstream/rdp.pcap", 3389, session.Default, "", "seven seconds"},
	{"ntop+nDPI/teamviewer.pcap", 5938, session.Default, "", "a client on its router for 400 s, nobody connected"},
	{"ntop+nDPI/vnc.pcap", 6900, session.Default, "", "the server's side is missing: nothing answers"},
	{"cisco+joy/kali-normal-ssh.pcap", 22, session.Default, "server 25.6-102.4", "a shell in use to the end"},
	{"FoxIO-LLC+ja4/ssh-r.pcap", 22, session.Default, "server 19.2-96.0; client 70.4-320.0", "a shell in which ssh -R is started, then the reverse shell inside it: its client is driven"},
}

func TestRecorded(t *testing.T) {
	for _, c := range recorded {
		t.Run(strings.ReplaceAll(c.file, "/", "_"), func(t *testing.T) {
			var got []string
			tuples, all := flows(t, filepath.Join(testshared.Dir(t, "corpus"), "files", c.file))
			for i, packets := range all {
				if tuples[i].ServerPort != c.port {
					continue
				}
				if s := show(run(c.cfg, packets), packets[0].at); s != "" {
					got = append(got, s)
				}
			}
			if strings.Join(got, "; ") != c.want {
				t.Errorf("%s\nwant %s: %s", strings.Join(got, "; "), c.want, c.reason)
			}
		})
	}
}

// Of the small captures of this project nothing but the recorded sessions shows one.
func TestQuietCaptures(t *testing.T) {
	files, err := filepath.Glob("../../pcaps/*.pcap*")
	if err != nil || len(files) < 40 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".json") || strings.HasSuffix(file, "-session.pcap") {
			continue
		}
		_, all := flows(t, file)
		for _, packets := range all {
			if s := run(session.Default, packets); len(s) > 0 {
				t.Errorf("%s: %s", file, show(s, packets[0].at))
			}
		}
	}
}

// Of more than five hundred flows of half a minute or longer, in captures of all
// sorts of traffic, five show a session. Three are shells in use. The others are none, and
// no flows that a rule would hit: the questions to a resolver of somebody who browses,
// and an industrial controller that is polled at uneven times.
func TestEveryCapture(t *testing.T) {
	if testing.Short() {
		t.Skip("reads two thousand captures")
	}
	dir := filepath.Join(testshared.Dir(t, "corpus"), "files")
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(files) < 2000 {
		t.Fatal(len(files), err)
	}
	var got []string
	long := 0
	for _, file := range files {
		tuples, all := flows(t, file)
		for i, packets := range all {
			if packets[len(packets)-1].at-packets[0].at >= 30*second {
				long++
			}
			for _, s := range run(session.Default, packets) {
				got = append(got, fmt.Sprintf("%s %d %s", filepath.Base(file), tuples[i].ServerPort, s.Driven))
			}
		}
	}
	want := []string{"ssh-r.pcap 22 server", "ssh-r.pcap 22 client", "kali-normal-ssh.pcap 22 server", "doq_adguard.pcapng 784 server", "modbus__modbusBig.pcap 102 server"}
	if !slices.Equal(got, want) || long < 500 {
		t.Errorf("%q of %d flows\nwant %q", got, long, want)
	}
}

func TestMeterSize(t *testing.T) {
	if n := unsafe.Sizeof(session.Meter{}); n > 64 {
		t.Errorf("%d bytes", n)
	}
	c := session.Default
	var m session.Meter
	now := int64(1)
	if n := testing.AllocsPerRun(10_000, func() { now += 70e6; m.Add(&c, now, now%3 == 0, 100) }); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// A session is closed by silence, whoever notices first, and says the same.
func TestQuietClosesIt(t *testing.T) {
	packets := person(1, 0, 60*second)
	c := session.Default
	for name, notice := range map[string]func(*session.Meter) session.Change{ // any order
		"tick":   func(m *session.Meter) session.Change { return m.Tick(&c, 1000*second) },
		"packet": func(m *session.Meter) session.Change { return m.Add(&c, 1000*second, true, 1) },
		"end":    func(m *session.Meter) session.Change { return m.End(&c) },
	} {
		var m session.Meter
		var changes session.Change
		for _, p := range packets {
			changes |= m.Add(&c, p.at, p.up, p.size)
		}
		if s, ok := m.Session(); changes != session.Opened || !ok || !s.Open {
			t.Fatalf("%s: %v %+v", name, changes, s)
		}
		if ch := notice(&m); ch != session.Closed {
			t.Errorf("%s: %v", name, ch)
		}
		s, ok := m.Session()
		if s.Open || !ok || s.Start > 13*second || s.End < 55*second || s.End > 70*second || s.Up == 0 || s.Down == 0 {
			t.Errorf("%s: %+v", name, s)
		}
		if ch := m.Tick(&c, 5000*second); ch != 0 {
			t.Errorf("%s: %v a second time", name, ch)
		}
	}
	if got := run(c, packets[:len(packets)/4]); len(got) != 0 {
		t.Errorf("a quarter of a minute: %+v", got)
	}
}

// What the kernel counted belongs to the volume of an open session, and opens none.
func TestCredit(t *testing.T) {
	c := session.Default
	var m session.Meter
	m.Credit(1e9, 1e9)
	for _, p := range person(1, 0, 60*second) {
		m.Add(&c, p.at, p.up, p.size)
	}
	before, _ := m.Session()
	m.Credit(10, 20)
	after, ok := m.Session()
	if !ok || before.Up > 1e6 || after.Up != before.Up+10 || after.Down != before.Down+20 {
		t.Errorf("%+v, then %+v", before, after)
	}
}

func TestTable(t *testing.T) {
	var log []string
	note := func(word string) func(uint64, session.Session) {
		return func(id uint64, s session.Session) {
			log = append(log, fmt.Sprintf("%d %s %v", id, word, s.Open))
		}
	}
	table := session.NewTable(16, note("opened"), note("closed"))
	c := session.Default
	packets := person(1, 0, 60*second)
	for _, p := range packets {
		table.Add(1, &c, p.at, p.up, p.size)
		table.Add(2, &c, p.at, p.up, p.size)
	}
	table.End(2)
	for id := uint64(100); id < 200; id++ { // more than there is room for: the open session stays
		table.Add(id, &c, 61*second, true, 1)
	}
	if table.Lost < 80 {
		t.Errorf("%d meters given up", table.Lost)
	}
	table.Sweep(16, 300*second)
	table.Close()
	if want := []string{"1 opened true", "2 opened true", "2 closed false", "1 closed false"}; !slices.Equal(log, want) {
		t.Errorf("%q", log)
	}
	// A session that begins and ends between two packets is told as two.
	log = nil
	c.For = int64(session.Window)
	for _, p := range packets {
		if p.at-packets[0].at < 2*session.Window { // the first of them is not judged
			table.Add(3, &c, p.at, p.up, p.size)
		}
	}
	if len(log) > 0 {
		t.Fatal("opened before the window was over")
	}
	table.Add(3, &c, 1000*second, true, 1)
	if want := []string{"3 opened true", "3 closed false"}; !slices.Equal(log, want) {
		t.Errorf("%q", log)
	}
}

// The recordings of docs/sessions.md: real software, left alone, in use, left alone.
func TestSessions(t *testing.T) {
	for file, want := range map[string][]string{ // any order
		"vnc":         {"server 51.2-115.2"},
		"rdp":         {"server 57.6-121.6"},
		"meshcentral": {"", "", "client 6.4-76.8"}, // a download of its settings, the agent, the terminal
	} {
		_, all := flows(t, "../../pcaps/"+file+"-session.pcap")
		var got []string
		for _, packets := range all {
			got = append(got, show(run(session.Default, packets), packets[0].at))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}

// Where the windows fall is chance: the recorded sessions are seen wherever that is, within
// some windows.
func TestSessionsAnyPhase(t *testing.T) {
	for file, is := range map[string]struct {
		flow     int
		from, to int64 // seconds after the flow's first payload in which it was in use
	}{"vnc": {0, 48, 120}, "rdp": {0, 49, 126}, "meshcentral": {2, 4, 74}} { // any order
		_, all := flows(t, "../../pcaps/"+file+"-session.pcap")
		for i, packets := range all {
			for early := int64(0); early < int64(session.Window); early += 100e6 {
				shifted := append([]packet{{packets[0].at - early, true, 1}}, packets...)
				got := run(session.Default, shifted)
				if i != is.flow {
					if len(got) != 0 {
						t.Errorf("%s, flow %d, %d ms early: %s", file, i, early/1e6, show(got, packets[0].at))
					}
					continue
				}
				if len(got) != 1 {
					t.Errorf("%s, %d ms early: %s", file, early/1e6, show(got, packets[0].at))
					continue
				}
				from, to := got[0].Start-packets[0].at, got[0].End-packets[0].at
				if slack := 3 * int64(session.Window); from < is.from*second-slack || from > is.from*second+slack || to < is.to*second-slack || to > is.to*second+slack {
					t.Errorf("%s, %d ms early: %s", file, early/1e6, show(got, packets[0].at))
				}
			}
		}
	}
}
