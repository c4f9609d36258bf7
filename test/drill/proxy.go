package main

import (
	"fmt"
	"io"
	"net"
	"sync"
)

// proxy passes connections on, so that they can be broken while those at both ends live.
type proxy struct {
	listener net.Listener
	to       string

	mu   sync.Mutex
	open map[*net.TCPConn]bool // the near ends
	work sync.WaitGroup
}

// newProxy listens on a free port of this machine alone, until it is closed.
func newProxy(to string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for what goes to %s: %w", to, err)
	}
	p := &proxy{listener: l, to: to, open: map[*net.TCPConn]bool{}}
	p.work.Go(p.accept)
	return p, nil
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil { // it was closed
			return
		}
		near := c.(*net.TCPConn)
		p.mu.Lock()
		p.open[near] = true
		p.mu.Unlock()
		p.work.Go(func() { p.pass(near) })
	}
}

// pass ends both connections with the first that ends. Where nobody listens the near one is reset, which to the caller is the same as
// one that is refused.
func (p *proxy) pass(near *net.TCPConn) {
	defer func() {
		near.Close()
		p.mu.Lock()
		delete(p.open, near)
		p.mu.Unlock()
	}()
	far, err := net.Dial("tcp", p.to)
	if err != nil {
		near.SetLinger(0)
		return
	}
	defer far.Close()
	done := make(chan struct{}, 2)
	for _, way := range []struct{ to, from net.Conn }{{far, near}, {near, far}} {
		p.work.Go(func() {
			_, _ = io.Copy(way.to, way.from)
			done <- struct{}{}
		})
	}
	<-done
}

// reset breaks all that is open and says how many there were.
func (p *proxy) reset() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		_ = c.SetLinger(0) // closing then sends RST, and what was under way is lost
		_ = c.Close()
	}
	return len(p.open)
}

// close ends everything and returns when it has ended.
func (p *proxy) close() {
	p.listener.Close()
	p.reset()
	p.work.Wait()
}
