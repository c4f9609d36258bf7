package ingest

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"plumbline.dev/plumbline/operator/credential"
	"plumbline.dev/plumbline/operator/natstest"
)

// The operator reads reports if it trusts the server's certificate. Otherwise the stream's problem says why not and
// names the flag.
func TestTLS(t *testing.T) {
	ours, theirs := certificate(t, "127.0.0.1"), certificate(t, "127.0.0.1")
	for name, tc := range map[string]struct {
		server *credential.Certificate // nil: one without TLS
		trusts *credential.Certificate // what the operator trusts; nil: the system's authorities
		want   string                  // in the problem; empty: the stream is read
	}{
		"the authority signed the certificate": {server: &ours, trusts: &ours},
		"another authority signed the certificate": {
			server: &theirs,
			trusts: &ours,
			want:   "a certificate that the authority in --nats-ca did not sign",
		},
		"no authority is named": {
			server: &ours,
			want:   "from an authority that this system does not know: name the authority's PEM file in --nats-ca",
		},
		"the server does not speak TLS": {
			trusts: &ours,
			want:   "does not speak TLS, but --nats-url or --nats-ca asks for TLS",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connectTLS(t, tc.server, tc.trusts, tc.want)
		})
	}
	t.Run("the certificate is for another name", func(t *testing.T) {
		t.Parallel()
		elsewhere := certificate(t, "nats.example.com")
		connectTLS(t, &elsewhere, &elsewhere,
			"has a certificate for another address: x509: cannot validate certificate for 127.0.0.1")
	})
	t.Run("the certificate has expired", func(t *testing.T) {
		t.Parallel()
		expired := time.Now().AddDate(-credential.CertificateYears, 0, -1)
		old, err := credential.NewCertificate([]string{"127.0.0.1"}, expired)
		if err != nil {
			t.Fatal(err)
		}
		connectTLS(t, &old, &old, "has a certificate that has expired or is not valid yet")
	})
}

// connectTLS runs a server with a certificate and an operator that trusts the authority of another or the same
// certificate, and waits until the stream is read or its problem contains want.
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
	b.wantProblem(want)
}

// forServer returns a server's TLS configuration with a certificate, or nil without one.
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
