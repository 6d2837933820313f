package monitor

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rmmwatch/rmmwatch/sensor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPaths(t *testing.T) {
	h := serverOf(healthy()).Handler()
	for _, c := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/healthz", 200, "ok\n"},
		{"HEAD", "/healthz", 200, ""},
		{"GET", "/readyz", 200, "ok\n"},
		{"HEAD", "/metrics", 200, ""},
		{"POST", "/metrics", 405, "only GET and HEAD are answered\n"},
		{"DELETE", "/", 405, "only GET and HEAD are answered\n"},
		{"OPTIONS", "/healthz", 405, "only GET and HEAD are answered\n"},
		{"GET", "/", 404, "404 page not found\n"},
		{"GET", "/debug/pprof/", 404, "404 page not found\n"},
		{"GET", "/metrics/..%2f", 404, "404 page not found\n"},
	} {
		resp, body := get(t, h, c.method, c.path)
		if resp.StatusCode != c.status || body != c.body {
			t.Errorf("%s %s: %d %q, not %d %q", c.method, c.path, resp.StatusCode, body, c.status, c.body)
		}
		if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: headers %v", c.method, c.path, resp.Header)
		}
		if allow := resp.Header.Get("Allow"); (c.status == 405) != (allow == "GET, HEAD") {
			t.Errorf("%s %s: Allow %q", c.method, c.path, allow)
		}
	}
}

// The runtime's own figures and the process' stand beside ours.
func TestProcess(t *testing.T) {
	all := scrape(t, serverOf(healthy()))
	for _, name := range []string{"go_goroutines", "go_memstats_heap_inuse_bytes", "process_cpu_seconds_total", "process_resident_memory_bytes"} {
		if all[name] == nil {
			t.Errorf("no %s", name)
		}
	}
}

func TestReady(t *testing.T) {
	for _, c := range []struct {
		spoil func(*Snapshot)
		want  string
	}{
		{func(s *Snapshot) { s.Rings = nil }, "no ring is open"},
		{func(s *Snapshot) { s.Rings[1].Up, s.Rings[1].Interface = false, "e\n" }, `ring 1: interface e\x0a is down`},
		{func(s *Snapshot) { s.Rules = Rules{} }, "no rules are loaded"},
		{func(s *Snapshot) { s.Outputs[0].Problem = "secret words" }, `output siem: its queue cannot be read; the log and "rmmwatch outputs status" say why`},
		{func(s *Snapshot) { s.Outputs[1].Running = false }, "output soar does not deliver"},
		{func(s *Snapshot) { s.Outputs[1].State = "gone" }, "output soar does not deliver"},
	} {
		s := healthy()
		c.spoil(s)
		resp, body := get(t, serverOf(s).Handler(), "GET", "/readyz")
		if resp.StatusCode != 503 || body != c.want+"\n" {
			t.Errorf("%d %q, not 503 %q", resp.StatusCode, body, c.want)
		}
		if resp, _ := get(t, serverOf(s).Handler(), "GET", "/healthz"); resp.StatusCode != 200 {
			t.Errorf("%s: the process works, but healthz says %s", c.want, resp.Status)
		}
	}
}

// What hangs is known when a counter has stood still for 30 s, and no sooner.
func TestHangs(t *testing.T) {
	at := func(second int) time.Time { return noon.Add(time.Duration(second) * time.Second) }
	type step struct {
		second      int
		beats       [2]uint64
		turns, lost uint64
		want        []string
	}
	for name, steps := range map[string][]step{
		"well": {{0, [2]uint64{1, 1}, 1, 0, nil}, {60, [2]uint64{2, 2}, 2, 0, nil}, {120, [2]uint64{3, 3}, 3, 0, nil}},
		"a worker": {
			{0, [2]uint64{7, 1}, 1, 0, nil},
			{29, [2]uint64{7, 2}, 2, 0, nil},
			{30, [2]uint64{7, 3}, 3, 0, []string{"worker 0 has stood still for 30 s"}},
			{90, [2]uint64{7, 4}, 4, 0, []string{"worker 0 has stood still for 90 s"}},
			{91, [2]uint64{8, 5}, 5, 0, nil},
			{100, [2]uint64{8, 6}, 6, 0, nil},
		},
		"the clock goes back": {
			{100, [2]uint64{7, 1}, 1, 0, nil},
			{0, [2]uint64{7, 2}, 2, 0, nil},
			{29, [2]uint64{7, 3}, 3, 0, nil},
			{30, [2]uint64{7, 4}, 4, 0, []string{"worker 0 has stood still for 30 s"}},
		},
		"the collector": {
			{0, [2]uint64{1, 1}, 5, 0, nil},
			{40, [2]uint64{2, 2}, 5, 0, []string{"the collector has stood still for 40 s"}},
		},
		"a collector that counts no turns": {
			{0, [2]uint64{1, 1}, 0, 0, nil},
			{40, [2]uint64{2, 2}, 0, 0, nil},
			{50, [2]uint64{3, 3}, 0, 1, nil},
			{70, [2]uint64{4, 4}, 0, 2, nil},
			{80, [2]uint64{5, 5}, 0, 3, []string{"the collector has taken nothing for 30 s while findings were lost"}},
			{81, [2]uint64{6, 6}, 0, 3, nil},
			{120, [2]uint64{7, 7}, 0, 4, nil},
		},
	} {
		var h Hangs
		for _, st := range steps {
			s := &Snapshot{Workers: make([]sensor.WorkerStats, 2), CollectorTurns: st.turns, Lost: st.lost}
			s.Workers[0].Beats, s.Workers[1].Beats = st.beats[0], st.beats[1]
			if got := h.Observe(s, at(st.second)); !reflect.DeepEqual(got, st.want) {
				t.Errorf("%s, second %d: %q, not %q", name, st.second, got, st.want)
			}
		}
	}
}

// The same over HTTP: scrapes and probes both count as looks.
func TestHealthz(t *testing.T) {
	s := healthy()
	srv := serverOf(s)
	scrape(t, srv)
	s.Workers[0].Beats++
	s.CollectorTurns++
	srv.now = func() time.Time { return noon.Add(31 * time.Second) }
	resp, body := get(t, srv.Handler(), "GET", "/healthz")
	if resp.StatusCode != 503 || body != "worker 1 has stood still for 31 s\n" {
		t.Errorf("%s %q", resp.Status, body)
	}
}

// A part that holds the counters and hangs blocks no answer, and one goroutine
// only, however often it is asked.
func TestStuck(t *testing.T) {
	release := make(chan struct{})
	var taken atomic.Int32
	srv := New(func() Snapshot { taken.Add(1); <-release; return *healthy() }, nil)
	srv.timeout = 10 * time.Millisecond
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/metrics"} {
		resp, body := get(t, srv.Handler(), "GET", path)
		if resp.StatusCode != 503 || !strings.Contains(body, errStuck.Error()) {
			t.Errorf("%s: %s %q", path, resp.Status, body)
		}
	}
	if n := taken.Load(); n != 1 {
		t.Errorf("%d goroutines hang", n)
	}
	close(release)
	srv.timeout = 30 * time.Second
	if resp, body := get(t, srv.Handler(), "GET", "/readyz"); resp.StatusCode != 200 {
		t.Errorf("afterwards: %s %q", resp.Status, body)
	}
}

func listen(t *testing.T) *Server {
	t.Helper()
	srv := serverOf(healthy())
	if err := srv.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return srv
}

func TestListen(t *testing.T) {
	srv := listen(t)
	url := "http://" + srv.Addr().String()
	resp, err := http.Get(url + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
	if err := serverOf(healthy()).Listen(srv.Addr().String()); err == nil || !strings.Contains(err.Error(), srv.Addr().String()) {
		t.Errorf("an address in use: %v", err)
	}
	if err := srv.Listen("127.0.0.1:0"); err == nil {
		t.Error("it listens twice")
	}
	req, err := http.NewRequest("GET", url+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Long", strings.Repeat("x", maxHeader+8<<10))
	if resp, err = http.DefaultClient.Do(req); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a head of %d bytes: %s", maxHeader+8<<10, resp.Status)
	}
	http.DefaultClient.CloseIdleConnections()
}

// Every time limit is set: what one forgets, a client may hold for ever.
func TestLimits(t *testing.T) {
	h := listen(t).http
	if h.ReadHeaderTimeout <= 0 || h.ReadTimeout <= 0 || h.WriteTimeout <= 0 || h.IdleTimeout <= 0 || h.MaxHeaderBytes <= 0 {
		t.Errorf("%+v", h)
	}
	if h.WriteTimeout <= takeTimeout {
		t.Errorf("an answer is cut off after %s, and a snapshot may take %s", h.WriteTimeout, takeTimeout)
	}
}

// More clients than are served at once wait; they get nothing else in the way.
func TestConnections(t *testing.T) {
	srv := listen(t)
	var held []net.Conn
	for range maxConns {
		c, err := net.Dial("tcp", srv.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		held = append(held, c)
	}
	late, err := net.Dial("tcp", srv.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	if _, err := io.WriteString(late, "GET /healthz HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	_ = late.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := late.Read(make([]byte, 1)); n > 0 {
		t.Errorf("%d connections are served: %v", maxConns+1, err)
	}
	held[0].Close()
	_ = late.SetReadDeadline(time.Now().Add(30 * time.Second))
	if answer, err := io.ReadAll(late); err != nil || !strings.Contains(string(answer), "200 OK") {
		t.Errorf("%v %q", err, answer)
	}
}

func TestShutdown(t *testing.T) {
	if err := New(func() Snapshot { return Snapshot{} }, nil).Shutdown(context.Background()); err != nil {
		t.Errorf("one that never listened: %v", err)
	}
	release, entered := make(chan struct{}), make(chan struct{})
	srv := New(func() Snapshot { close(entered); <-release; return *healthy() }, nil)
	if err := srv.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var asked sync.WaitGroup
	asked.Go(func() {
		if resp, err := http.Get("http://" + srv.Addr().String() + "/healthz"); err == nil {
			resp.Body.Close()
			t.Error("the request was not cut off")
		}
	})
	<-entered
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := srv.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("with a request under way: %v", err)
	}
	asked.Wait()
	close(release)
	if _, err := net.Dial("tcp", srv.Addr().String()); err == nil {
		t.Error("it still listens")
	}
}

// Many ask at once while the sensor counts.
func TestConcurrent(t *testing.T) {
	var mu sync.Mutex
	s := healthy()
	srv := New(func() Snapshot {
		mu.Lock()
		defer mu.Unlock()
		c := *s
		c.Workers = append([]sensor.WorkerStats(nil), s.Workers...)
		return c
	}, nil)
	var all sync.WaitGroup
	stop := make(chan struct{})
	var counting sync.WaitGroup
	counting.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				mu.Lock()
				s.Workers[0].Packets++
				mu.Unlock()
			}
		}
	})
	for range 8 {
		all.Go(func() {
			last := 0.0
			for range 5 {
				v := series(scrape(t, srv))["packets_total{worker=0}"]
				if v < last {
					t.Errorf("packets fell from %g to %g", last, v)
				}
				last = v
				if resp, body := get(t, srv.Handler(), "GET", "/healthz"); resp.StatusCode != 200 {
					t.Error(body)
				}
			}
		})
	}
	all.Wait()
	close(stop)
	counting.Wait()
}
