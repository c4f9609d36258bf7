// Package natstest runs a real NATS server in operator mode inside a test: accounts are JWTs, JetStream is on disk, and
// it can be stopped, started again and wiped. Tests of credential and ingest stand on it.
package natstest

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// Server is one NATS server and the keys of its one account.
type Server struct {
	Seed    []byte // of the account's signing key
	Account string // public key

	t        *testing.T
	tls      *tls.Config
	dir      string
	port     int
	trusted  *jwt.OperatorClaims
	operator nkeys.KeyPair
	account  *jwt.AccountClaims
	accounts map[string]string // public key -> JWT
	server   *server.Server
}

// Start runs a server on a free port until the test ends.
func Start(t *testing.T) *Server { return StartTLS(t, nil) }

// StartTLS runs one that speaks nothing but TLS, if it is told how.
func StartTLS(t *testing.T, secure *tls.Config) *Server {
	t.Helper()
	operator, system := key(t, nkeys.CreateOperator), key(t, nkeys.CreateAccount)
	account, signing := key(t, nkeys.CreateAccount), key(t, nkeys.CreateAccount)
	claims := jwt.NewOperatorClaims(public(t, operator))
	claims.SystemAccount = public(t, system) // JetStream does not start without one
	token := must[string](t)(claims.Encode(operator))
	trusted := must[*jwt.OperatorClaims](t)(jwt.DecodeOperatorClaims(token))
	a := jwt.NewAccountClaims(public(t, account))
	a.SigningKeys.Add(public(t, signing))
	a.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	s := &Server{
		Seed: must[[]byte](t)(signing.Seed()), Account: public(t, account),
		tls: secure,
		t:   t, dir: t.TempDir(), port: -1, trusted: trusted, operator: operator, account: a,
		accounts: map[string]string{
			public(t, account): must[string](t)(a.Encode(operator)),
			public(t, system):  must[string](t)(jwt.NewAccountClaims(public(t, system)).Encode(operator)),
		},
	}
	s.Up()
	t.Cleanup(s.Down)
	return s
}

// URL to connect to; it stays the same when the server is stopped and started.
func (s *Server) URL() string { return s.server.ClientURL() }

// Up starts the server, on what the last one left.
func (s *Server) Up() {
	s.t.Helper()
	resolver := &server.MemAccResolver{}
	for account, token := range s.accounts {
		if err := resolver.Store(account, token); err != nil {
			s.t.Fatal(err)
		}
	}
	s.server = must[*server.Server](s.t)(server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: s.port, NoLog: true, NoSigs: true, TLSConfig: s.tls, TLS: s.tls != nil, TLSTimeout: 10,
		JetStream: true, StoreDir: s.dir, TrustedOperators: []*jwt.OperatorClaims{s.trusted}, AccountResolver: resolver, SystemAccount: s.trusted.SystemAccount,
	}))
	s.server.Start()
	if !s.server.ReadyForConnections(10 * time.Second) {
		s.t.Fatal("the NATS server does not come up")
	}
	s.port = s.server.Addr().(*net.TCPAddr).Port
}

// Down stops it.
func (s *Server) Down() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

// Revoke has the server turn away every user that was signed until the time that it returns, those who are connected
// too.
func (s *Server) Revoke() time.Time {
	s.t.Helper()
	now := time.Now()
	s.account.RevokeAt(jwt.All, now)
	s.accounts[s.Account] = must[string](s.t)(s.account.Encode(s.operator)) // for when it comes up again
	known := must[*server.Account](s.t)(s.server.LookupAccount(s.Account))
	s.server.UpdateAccountClaims(known, must[*jwt.AccountClaims](s.t)(jwt.DecodeAccountClaims(s.accounts[s.Account])))
	return now
}

// Wipe removes everything that was stored, while the server is down.
func (s *Server) Wipe() {
	s.t.Helper()
	if err := os.RemoveAll(filepath.Join(s.dir, "jetstream")); err != nil {
		s.t.Fatal(err)
	}
}

func key(t *testing.T, create func() (nkeys.KeyPair, error)) nkeys.KeyPair {
	return must[nkeys.KeyPair](t)(create())
}

func public(t *testing.T, k nkeys.KeyPair) string { return must[string](t)(k.PublicKey()) }

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
