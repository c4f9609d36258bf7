package main

import (
	"fmt"
	"io"
	"net"
	"sync"
)

// proxy forwards TCP connections to an address, so that they can be reset while the programs at both ends keep running.
type proxy struct {
	listener net.Listener
	to       string

	mu   sync.Mutex
	open map[*net.TCPConn]bool // the connections of the callers
	work sync.WaitGroup
}

// newProxy starts a proxy on a free port that only this machine can reach. It forwards connections until it is closed.
func newProxy(to string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for connections to %s: %w", to, err)
	}
	p := &proxy{listener: l, to: to, open: map[*net.TCPConn]bool{}}
	p.work.Go(p.accept)
	return p, nil
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil { // the listener was closed
			return
		}
		near := c.(*net.TCPConn)
		p.mu.Lock()
		p.open[near] = true
		p.mu.Unlock()
		p.work.Go(func() { p.forward(near) })
	}
}

// forward copies between a caller's connection, near, and a new one to the address. It ends both when the first of them
// ends. If no program listens at the address, it resets near, which the caller treats like a refused connection.
func (p *proxy) forward(near *net.TCPConn) {
	defer func() {
		near.Close()
		p.mu.Lock()
		delete(p.open, near)
		p.mu.Unlock()
	}()
	far, err := net.Dial("tcp", p.to)
	if err != nil {
		_ = near.SetLinger(0)
		return
	}
	defer far.Close()
	done := make(chan struct{}, 2)
	for _, direction := range []struct{ to, from net.Conn }{{far, near}, {near, far}} {
		p.work.Go(func() {
			_, _ = io.Copy(direction.to, direction.from)
			done <- struct{}{}
		})
	}
	<-done
}

// reset resets all open connections and returns how many there were.
func (p *proxy) reset() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		_ = c.SetLinger(0) // so that closing sends RST, and data that was not yet read is lost
		_ = c.Close()
	}
	return len(p.open)
}

// shutDown closes the listener, resets all connections and blocks until all goroutines have ended.
func (p *proxy) shutDown() {
	p.listener.Close()
	p.reset()
	p.work.Wait()
}
