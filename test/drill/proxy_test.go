package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
)

// listenAndEcho starts a server that sends back what it reads, until the test ends, and returns its address.
func listenAndEcho(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

// dial connects to the proxy until the test ends.
func dial(t *testing.T, p *proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ask sends a line and returns the line that comes back.
func ask(c net.Conn, line string) (string, error) {
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return "", err
	}
	return bufio.NewReader(c).ReadString('\n')
}

func TestResetBreaksOpenConnectionsAndNoLaterOne(t *testing.T) {
	p, err := newProxy(listenAndEcho(t))
	if err != nil {
		t.Fatal(err)
	}
	defer p.shutDown()
	watch, other := dial(t, p), dial(t, p)
	for _, c := range []net.Conn{watch, other} {
		if got, err := ask(c, "hello"); got != "hello\n" || err != nil {
			t.Fatalf("read %q through the proxy, error %v", got, err)
		}
	}
	if n := p.reset(); n != 2 {
		t.Errorf("%d connections were reset, want 2", n)
	}
	for _, c := range []net.Conn{watch, other} {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a broken connection: error %v, want a reset", err)
		}
	}
	if got, err := ask(dial(t, p), "again"); got != "again\n" || err != nil {
		t.Errorf("read %q after the reset, error %v", got, err)
	}
}

func TestTheCallerIsResetIfNoProgramListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p, err := newProxy(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer p.shutDown()
	l.Close()
	c, err := net.Dial("tcp", p.address())
	if err == nil { // the reset may also come during Dial
		defer c.Close()
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("error %v, want a reset", err)
	}
}
