package ingest

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"plumbline.dev/plumbline/operator/credential"
	"plumbline.dev/plumbline/operator/natstest"
)

// Who signs for the server is asked before anything is said to it, and what is wrong is said in words that name the
// flag.
func TestTLS(t *testing.T) {
	ours, theirs := certificate(t, "127.0.0.1"), certificate(t, "127.0.0.1")
	for name, tc := range map[string]struct {
		server *credential.Certificate // nil: one without TLS
		trusts *credential.Certificate // nil: the system's authorities
		want   string                  // what is wrong; empty: reports are read
	}{
		"the authority signed for the server": {&ours, &ours, ""},
		"another authority did":               {&theirs, &ours, "a certificate that the authority in --nats-ca did not sign"},
		"nobody was named":                    {&ours, nil, "of an authority that this system does not know: give its PEM file in --nats-ca"},
		"the server does not speak TLS":       {nil, &ours, "does not speak TLS, and --nats-url or --nats-ca asks for it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connectTLS(t, tc.server, tc.trusts, tc.want)
		})
	}
	t.Run("the certificate is for another name", func(t *testing.T) {
		t.Parallel()
		elsewhere := certificate(t, "nats.example.com")
		connectTLS(t, &elsewhere, &elsewhere, "has a certificate that is not good: x509: cannot validate certificate for 127.0.0.1")
	})
	t.Run("the certificate has expired", func(t *testing.T) {
		t.Parallel()
		old, err := credential.NewCertificate([]string{"127.0.0.1"}, time.Now().AddDate(-credential.CertificateYears, 0, -1))
		if err != nil {
			t.Fatal(err)
		}
		connectTLS(t, &old, &old, "has a certificate that has expired or is not valid yet")
	})
}

func connectTLS(t *testing.T, server, trusts *credential.Certificate, want string) {
	s := natstest.StartTLS(t, forServer(t, server))
	issuer, err := credential.New(s.Seed, s.Account)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, server: s, issuer: issuer}
	b.change = func(o *Options) {
		if trusts != nil {
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(trusts.Authority)
			o.TLS = &tls.Config{RootCAs: roots}
		}
	}
	b.start()
	if want == "" {
		b.until("the stream is read", func() bool { return b.ingest.Stream().Connected })
		return
	}
	b.until("it says that "+want, func() bool { s := b.ingest.Stream(); return !s.Connected && strings.Contains(s.Problem, want) })
}

func forServer(t *testing.T, c *credential.Certificate) *tls.Config {
	t.Helper()
	if c == nil {
		return nil
	}
	pair, err := tls.X509KeyPair(c.Certificate, c.Key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}
}

func certificate(t *testing.T, host string) credential.Certificate {
	t.Helper()
	c, err := credential.NewCertificate([]string{host}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return c
}
