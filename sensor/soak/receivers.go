package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ids counts how often each message came.
type ids struct {
	mu  sync.Mutex
	got map[string]int
}

func (s *ids) add(list ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.got == nil {
		s.got = map[string]int{}
	}
	for _, id := range list {
		s.got[id]++
	}
}

// distinct is how many messages came at least once.
func (s *ids) distinct() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.got)
}

// How the webhook answers.
const (
	well int32 = iota
	failing
	hangingUp
	busy
	moods
)

// webhook is a receiver that has moods. It has only what it answered with 200.
type webhook struct {
	ids
	mood atomic.Int32
	addr string
	srv  *http.Server
}

func newWebhook() (*webhook, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &webhook{addr: l.Addr().String()}
	h.srv = &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go h.srv.Serve(l)
	return h, nil
}

func (h *webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, err := io.Copy(io.Discard, r.Body)
	switch mood := h.mood.Load(); {
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
	case mood == failing:
		w.WriteHeader(http.StatusInternalServerError)
	case mood == hangingUp:
		panic(http.ErrAbortHandler)
	case mood == busy:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	default:
		h.add(r.Header.Get("webhook-id"))
	}
}

// syslogReceiver takes octet-counted messages (RFC 6587 3.4.1). It has only
// those of connections that it read to their end.
type syslogReceiver struct {
	ids
	addr string
	mu   sync.Mutex
	l    net.Listener // nil while it is dead
	open map[net.Conn]bool
}

func newSyslog() (*syslogReceiver, error) {
	s := &syslogReceiver{addr: "127.0.0.1:0", open: map[net.Conn]bool{}}
	return s, s.start()
}

// start brings it to life, at the same address as before.
func (s *syslogReceiver) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.l != nil {
		return nil
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	s.l, s.addr = l, l.Addr().String()
	go s.accept(l)
	return nil
}

// kill ends it in the middle of whatever it does.
func (s *syslogReceiver) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.l != nil {
		s.l.Close()
		s.l = nil
	}
	for c := range s.open {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

func (s *syslogReceiver) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		dead := s.l != l
		s.open[c] = true
		s.mu.Unlock()
		if dead {
			c.Close()
		}
		go func() {
			list, err := readSyslog(c)
			if err == nil {
				s.add(list...)
			}
			s.mu.Lock()
			delete(s.open, c)
			s.mu.Unlock()
			c.Close()
		}()
	}
}

var structuredID = regexp.MustCompile(` \[rmmwatch@32473 id="([^"]+)"`)

// readSyslog returns the ids of the messages up to the end of r.
func readSyslog(r io.Reader) (list []string, err error) {
	in := bufio.NewReader(r)
	for {
		size, err := in.ReadString(' ')
		if errors.Is(err, io.EOF) && size == "" {
			return list, nil
		}
		n, bad := strconv.Atoi(strings.TrimSuffix(size, " "))
		if err != nil || bad != nil || n <= 0 || n > 1<<20 {
			return nil, fmt.Errorf("frame of %q octets: %w", size, errors.Join(err, bad))
		}
		message := make([]byte, n)
		if _, err := io.ReadFull(in, message); err != nil {
			return nil, err
		}
		id := structuredID.FindSubmatch(message)
		if id == nil {
			return nil, fmt.Errorf("no id in %.200q", message)
		}
		list = append(list, string(id[1]))
	}
}
