package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/rmmwatch/rmmwatch/sensor/output"
)

const (
	userAgent = "rmmwatch"
	// maxAnswer bounds what of an answer's head or body is read, in bytes. No answer of
	// the protocols here needs more.
	maxAnswer = 64 << 10
	// maxIdle is how long a connection may wait for the next request. Receivers and
	// the boxes between forget silent ones.
	maxIdle = 60 * time.Second
	// defaultTimeout of a request: below the 30 s that a courier gives a Send.
	defaultTimeout = 20 * time.Second
)

// Options is how to reach a receiver.
type Options struct {
	TLS output.TLS // read for each connection; TLS 1.2 and up
	// Proxy is the URL of an HTTP proxy (http or https; userinfo is its
	// password), "" for what HTTP_PROXY, HTTPS_PROXY and NO_PROXY said when the
	// client was made, "none" for a direct connection.
	Proxy   string
	Timeout time.Duration // of a request with its answer; default 20 s
	Gzip    bool          // compress requests; not every receiver takes it
	Dial    output.Dial   // nil for net.Dialer
}

// Client sends requests to one receiver, one at a time.
type Client struct {
	opts      Options
	proxy     func(*url.URL) (*url.URL, error)
	transport *http.Transport
	zip       *gzip.Writer
}

// NewClient judges the options.
func NewClient(o Options) (*Client, error) {
	if o.Timeout < 0 {
		return nil, fmt.Errorf("timeout: %v is negative", o.Timeout)
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if (o.TLS.CertFile == "") != (o.TLS.KeyFile == "") {
		return nil, errors.New("cert_file and key_file: one needs the other")
	}
	if _, err := o.TLS.Config(""); err != nil {
		return nil, err
	}
	c := &Client{opts: o, zip: gzip.NewWriter(io.Discard)}
	var err error
	if c.proxy, err = proxyFunc(o.Proxy); err != nil {
		return nil, err
	}
	c.transport = &http.Transport{
		// HTTPS goes through a tunnel that dialTLS makes, since the transport would
		// read the certificate files once and for all.
		Proxy: func(r *http.Request) (*url.URL, error) {
			if p := r.Context().Value(planKey{}).(*plan); p.target.Scheme == "http" {
				return p.proxy, nil
			}
			return nil, nil
		},
		DialContext: c.dial, DialTLSContext: c.dialTLS,
		MaxIdleConns: 1, IdleConnTimeout: maxIdle, MaxResponseHeaderBytes: maxAnswer,
		DisableCompression: true, // a small answer must not become a large one
	}
	return c, nil
}

func proxyFunc(proxy string) (func(*url.URL) (*url.URL, error), error) {
	switch proxy {
	case "none":
		return func(*url.URL) (*url.URL, error) { return nil, nil }, nil
	case "":
		return httpproxy.FromEnvironment().ProxyFunc(), nil
	}
	u, err := url.Parse(proxy)
	if err != nil {
		return nil, errors.New("proxy: not a URL") // err would show its password
	}
	if err := checkProxy(u); err != nil {
		return nil, err
	}
	return func(*url.URL) (*url.URL, error) { return u, nil }, nil
}

func checkProxy(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("proxy: scheme %q is not spoken: http://HOST:PORT or https://HOST:PORT, or none", shorten(printable(u.Scheme), 20))
	}
	if err := judgeHost(u.Hostname()); err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	return nil
}

// ParseURL judges the URL of a receiver. Errors do not show it.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("url: this is not a URL")
	}
	return u, CheckURL(u)
}

// CheckURL judges the URL of a receiver.
func CheckURL(u *url.URL) error {
	if u == nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Opaque != "" {
		return errors.New("url: not of the form https://HOST[:PORT]/PATH or http://HOST[:PORT]/PATH")
	}
	if err := judgeHost(u.Hostname()); err != nil {
		return fmt.Errorf("url: %w", err)
	}
	return nil
}

// Request is one POST.
type Request struct {
	URL    *url.URL // as configured: path, query and userinfo are taken for secrets
	Path   string   // added to the URL's; public
	Query  string   // in place of the URL's unless ""; public
	Header http.Header
	Body   []byte
	// Secrets must not be shown; the values of Authorization are known to be some.
	Secrets   []string
	MaxAnswer int64 // bytes to read of the answer's body; 64 KiB if less
}

// Post sends the request and reads the answer, whatever its status. An error
// names the receiver and no secret; what became of the request is then unknown.
func (c *Client) Post(ctx context.Context, r Request) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	var proxy *url.URL
	err := CheckURL(r.URL)
	if err == nil {
		proxy, err = c.proxy(r.URL)
	}
	if err == nil && proxy != nil {
		err = checkProxy(proxy)
	}
	cut := newCutter([]*url.URL{r.URL, proxy}, append(r.Header.Values("Authorization"), r.Secrets...))
	if err != nil {
		return nil, errors.New(cut.show(err.Error(), 2*maxShown))
	}
	resp, err := c.transport.RoundTrip(c.request(ctx, r, proxy))
	if err != nil {
		if cause := ctx.Err(); errors.Is(cause, context.DeadlineExceeded) {
			err = fmt.Errorf("no answer in time: %w", err)
		}
		return nil, fmt.Errorf("%s: %s", output.SafeURL(r.URL), cut.show(err.Error(), 2*maxShown))
	}
	// What is not read to its end cannot be used again: Close ends the connection.
	defer resp.Body.Close()
	a := &Answer{Status: resp.StatusCode, receiver: output.SafeURL(r.URL), cut: cut, after: resp.Header.Get("Retry-After")}
	limit := max(r.MaxAnswer, maxAnswer)
	a.Body, a.readErr = io.ReadAll(io.LimitReader(resp.Body, limit))
	a.Whole = a.readErr == nil && int64(len(a.Body)) < limit
	return a, nil
}

// request makes the request for the transport.
func (c *Client) request(ctx context.Context, r Request, proxy *url.URL) *http.Request {
	u := *r.URL
	if r.Path != "" {
		if u.Path == "" {
			u.Path = "/" // JoinPath leaves a relative path relative
		}
		u = *u.JoinPath(r.Path)
	}
	if r.Query != "" {
		u.RawQuery = r.Query
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	ctx = context.WithValue(ctx, planKey{}, &plan{ctx, r.URL, proxy})
	body := r.Body
	header := r.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("User-Agent", userAgent)
	// Without a value the field is not sent. It tells the transport that the
	// request may be sent again when a connection turns out to have been closed
	// while it was idle: delivery is at least once in any case.
	header["Idempotency-Key"] = nil
	if r.URL.User != nil && header.Get("Authorization") == "" {
		header.Set("Authorization", basic(r.URL.User))
	}
	if c.opts.Gzip {
		body = c.compress(body)
		header.Set("Content-Encoding", "gzip")
	}
	req := &http.Request{
		Method: http.MethodPost, URL: &u, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}
	return req.WithContext(ctx)
}

// compress returns a new slice: the transport may read it after Post returned.
func (c *Client) compress(body []byte) []byte {
	var b bytes.Buffer
	c.zip.Reset(&b)
	c.zip.Write(body) // a bytes.Buffer takes everything
	c.zip.Close()
	return b.Bytes()
}

// Close closes idle connections.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}
