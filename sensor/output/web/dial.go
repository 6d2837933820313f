package web

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/rmmwatch/rmmwatch/sensor/output"
)

// plan is the way of one request, for the functions that the transport calls to
// connect. It travels in the request's context.
type plan struct {
	ctx    context.Context // the request's: the transport's own does not end with it
	target *url.URL
	proxy  *url.URL // nil for none
}

type planKey struct{}

// dial connects and judges where to.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	p := ctx.Value(planKey{}).(*plan)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	dial := c.opts.Dial
	if dial == nil {
		dial = (&net.Dialer{Control: control, KeepAlive: 15 * time.Second}).DialContext
	}
	conn, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if err := judgeConn(conn); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// dialTLS connects to the receiver, through a tunnel when there is a proxy, or
// to a proxy that speaks TLS itself when the receiver does not.
func (c *Client) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	p := ctx.Value(planKey{}).(*plan)
	if p.target.Scheme != "https" {
		return c.dialProxy(ctx, network, p.proxy)
	}
	var conn net.Conn
	var err error
	if p.proxy == nil {
		conn, err = c.dial(ctx, network, address)
	} else {
		conn, err = c.tunnel(ctx, network, address, p)
	}
	if err != nil {
		return nil, err
	}
	return handshake(p.ctx, conn, c.opts.TLS, p.target.Hostname())
}

// dialProxy connects to the proxy itself. It is trusted as the receiver is, but
// sees no certificate of ours.
func (c *Client) dialProxy(ctx context.Context, network string, proxy *url.URL) (net.Conn, error) {
	conn, err := c.dial(ctx, network, withPort(proxy))
	if err != nil || proxy.Scheme != "https" {
		return conn, err
	}
	p := ctx.Value(planKey{}).(*plan)
	return handshake(p.ctx, conn, output.TLS{CAFile: c.opts.TLS.CAFile}, proxy.Hostname())
}

// handshake reads the certificate files anew and closes conn when it fails.
func handshake(ctx context.Context, conn net.Conn, t output.TLS, name string) (net.Conn, error) {
	config, err := t.Config(name)
	if err != nil {
		conn.Close()
		return nil, err
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// tunnel asks the proxy for a connection to address (RFC 9110, 9.3.6).
func (c *Client) tunnel(ctx context.Context, network, address string, p *plan) (net.Conn, error) {
	conn, err := c.dialProxy(ctx, network, p.proxy)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(p.ctx, func() { conn.Close() })
	err = connect(conn, address, p.proxy)
	if !stop() && err == nil {
		err = p.ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("proxy %s: %w", output.SafeURL(p.proxy), err)
	}
	return conn, nil
}

func connect(conn net.Conn, address string, proxy *url.URL) error {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{"User-Agent": {userAgent}}}
	if proxy.User != nil {
		req.Header.Set("Proxy-Authorization", basic(proxy.User))
	}
	if err := req.Write(conn); err != nil {
		return err
	}
	r := bufio.NewReader(io.LimitReader(conn, maxAnswer))
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s to CONNECT", resp.Status)
	}
	if r.Buffered() > 0 {
		return errors.New("it sent bytes before the receiver could")
	}
	return nil
}

// basic is the value of a header field for basic authentication (RFC 7617).
func basic(u *url.Userinfo) string {
	password, _ := u.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password))
}

// withPort is the URL's host with a port.
func withPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}
