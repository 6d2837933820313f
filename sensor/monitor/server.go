package monitor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
	"golang.org/x/net/netutil"
)

// Bounds of what a client may take. A scrape is a GET of some hundred bytes, and
// its answer some tens of kilobytes.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 2 * time.Minute // above Prometheus' usual scrape interval of one
	maxHeader     = 8 << 10         // bytes; net/http adds 4 KiB of its own
	maxConns      = 32
	// takeTimeout is how long a snapshot may take. Its parts wait for locks that are
	// held for microseconds; when one is not let go, something hangs.
	takeTimeout = 5 * time.Second
)

// errStuck means that the counters could not be read in time.
var errStuck = errors.New("the sensor's counters cannot be read: a part of it holds them and hangs")

// Server answers for a sensor over HTTP: /metrics for Prometheus, /healthz and
// /readyz. All methods may be called from any goroutine.
type Server struct {
	take    func() Snapshot
	log     *zap.Logger
	now     func() time.Time
	timeout time.Duration // takeTimeout, but in tests
	token   chan struct{} // whoever takes a snapshot holds it: one that hangs blocks one goroutine, not one a request
	process *prometheus.Registry

	mu    sync.Mutex
	hangs Hangs
	http  *http.Server
	addr  net.Addr
}

// New returns a server that shows what take returns. take is called once a
// request, by one goroutine at a time; it may hang, and the server still answers. A
// nil log is silent.
func New(take func() Snapshot, log *zap.Logger) *Server {
	if log == nil {
		log = zap.NewNop()
	}
	s := &Server{
		take: take, log: log, now: time.Now, timeout: takeTimeout,
		token: make(chan struct{}, 1), process: prometheus.NewRegistry(),
	}
	s.process.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return s
}

// snapshot takes one, or returns errStuck, or what ended the request. Each
// feeds the search for what hangs.
func (s *Server) snapshot(ctx context.Context) (Snapshot, []string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	select {
	case s.token <- struct{}{}:
	case <-ctx.Done():
		return Snapshot{}, nil, errStuck
	}
	type result struct {
		snap  Snapshot
		hangs []string
	}
	done := make(chan result, 1)
	go func() {
		defer func() { <-s.token }()
		snap := s.take()
		s.mu.Lock()
		defer s.mu.Unlock()
		done <- result{snap, s.hangs.Observe(&snap, s.now())}
	}()
	select {
	case r := <-done:
		return r.snap, r.hangs, nil
	case <-ctx.Done():
		return Snapshot{}, nil, errStuck
	}
}

// Handler returns what answers requests: GET and HEAD of three paths, nothing
// else.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, h := range map[string]http.HandlerFunc{"/metrics": s.metrics, "/healthz": s.healthz, "/readyz": s.readyz} {
		mux.HandleFunc(path, h)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD are answered", http.StatusMethodNotAllowed)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// metrics answers a scrape out of one snapshot. When that cannot be had the
// scrape fails as a whole, so that Prometheus shows the sensor as down.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	snap, _, err := s.snapshot(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	ours := prometheus.NewRegistry()
	ours.MustRegister(&collector{snap: &snap, at: s.now()})
	promhttp.HandlerFor(prometheus.Gatherers{ours, s.process}, promhttp.HandlerOpts{
		ErrorLog: zap.NewStdLog(s.log), ErrorHandling: promhttp.ContinueOnError,
	}).ServeHTTP(w, r)
}

// healthz says whether the process works: nothing in it hangs.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	_, hangs, err := s.snapshot(r.Context())
	if err != nil {
		hangs = []string{err.Error()}
	}
	verdict(w, hangs)
}

// readyz says whether the sensor does its whole work: it sees packets, knows
// rules, and can deliver.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	snap, _, err := s.snapshot(r.Context())
	reasons := snap.Unready()
	if err != nil {
		reasons = []string{err.Error()}
	}
	verdict(w, reasons)
}

func verdict(w http.ResponseWriter, reasons []string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	text := "ok\n"
	if len(reasons) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		text = strings.Join(reasons, "\n") + "\n"
	}
	_, _ = w.Write([]byte(text)) // a client that is gone misses nothing
}

// Listen opens an address, such as 127.0.0.1:9477, and answers there until
// Shutdown. It returns once the address is open; its errors say which it was. Nothing
// protects what it shows but the address: who names one that others reach wants
// that.
func (s *Server) Listen(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("http: cannot listen on %s: %w; give another address, or stop what uses this one", address, err)
	}
	srv := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          quiet(s.log),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http != nil {
		l.Close()
		return fmt.Errorf("http: already listening on %s", s.addr)
	}
	s.http, s.addr = srv, l.Addr()
	go func() {
		if err := srv.Serve(netutil.LimitListener(l, maxConns)); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("metrics and health are no longer served", zap.Error(err))
		}
	}()
	return nil
}

// Addr is the address that Listen opened, with the port that the system chose where
// it was told 0; nil before.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Shutdown answers no more requests and waits for those under way, until ctx is
// done: then it cuts them off and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	srv := s.http
	s.mu.Unlock()
	if srv == nil {
		return nil
	}
	err := srv.Shutdown(ctx)
	if err != nil {
		srv.Close()
	}
	return err
}
