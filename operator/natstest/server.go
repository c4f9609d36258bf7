// Package natstest runs a real NATS server in operator mode inside a test. Its accounts are JWTs, its JetStream is on
// disk, and a test can stop it, start it again and wipe it. The tests of credential, ingest and natskeys use it.
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

// Server is a NATS server with one account besides its system account.
type Server struct {
	Seed    []byte // the seed of the account's signing key
	Account string // the account's public key

	t        *testing.T
	tls      *tls.Config // nil: without TLS
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

// StartTLS does what Start does, with a server that accepts only TLS, unless the configuration is nil.
func StartTLS(t *testing.T, tlsConfig *tls.Config) *Server {
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
		tls: tlsConfig,
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

// URL returns the URL of the server. It stays the same when the server is stopped and started again.
func (s *Server) URL() string { return s.server.ClientURL() }

// Up starts the server with what it had stored when it was stopped.
func (s *Server) Up() {
	s.t.Helper()
	resolver := &server.MemAccResolver{}
	for account, token := range s.accounts {
		if err := resolver.Store(account, token); err != nil {
			s.t.Fatal(err)
		}
	}
	s.server = must[*server.Server](s.t)(server.NewServer(&server.Options{
		Host:             "127.0.0.1",
		Port:             s.port,
		NoLog:            true,
		NoSigs:           true,
		TLSConfig:        s.tls,
		TLS:              s.tls != nil,
		TLSTimeout:       10,
		JetStream:        true,
		StoreDir:         s.dir,
		TrustedOperators: []*jwt.OperatorClaims{s.trusted},
		AccountResolver:  resolver,
		SystemAccount:    s.trusted.SystemAccount,
	}))
	s.server.Start()
	if !s.server.ReadyForConnections(10 * time.Second) {
		s.t.Fatal("the NATS server does not accept connections")
	}
	s.port = s.server.Addr().(*net.TCPAddr).Port
}

// Down stops the server and waits until it has stopped.
func (s *Server) Down() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

// Revoke makes the server refuse every user that was signed until now, and disconnect those that are connected. It
// returns the time of the revocation.
func (s *Server) Revoke() time.Time {
	s.t.Helper()
	now := time.Now()
	s.account.RevokeAt(jwt.All, now)
	s.accounts[s.Account] = must[string](s.t)(s.account.Encode(s.operator)) // for the next Up
	known := must[*server.Account](s.t)(s.server.LookupAccount(s.Account))
	s.server.UpdateAccountClaims(known, must[*jwt.AccountClaims](s.t)(jwt.DecodeAccountClaims(s.accounts[s.Account])))
	return now
}

// Wipe removes everything that the server has stored. The server must be down.
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

// must returns a function that ends the test on an error, and otherwise returns the value.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
