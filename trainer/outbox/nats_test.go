package outbox

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"plumbline.dev/plumbline/wire"
)

const runUID = "0a1b2c3d"

// installation is a NATS server as Plumbline runs it: operator mode, one account with JetStream, and users with
// narrow permissions.
type installation struct {
	t       *testing.T
	options *server.Options
	account nkeys.KeyPair
	server  *server.Server
}

func newInstallation(t *testing.T) *installation {
	operator := key(t, nkeys.CreateOperator)
	system, account := key(t, nkeys.CreateAccount), key(t, nkeys.CreateAccount)
	accountClaims := jwt.NewAccountClaims(public(t, account))
	accountClaims.Limits.JetStreamLimits = jwt.JetStreamLimits{
		DiskStorage: -1, MemoryStorage: -1, Streams: -1, Consumer: -1,
	}
	resolver := &server.MemAccResolver{}
	systemClaims := jwt.NewAccountClaims(public(t, system))
	for k, claims := range map[nkeys.KeyPair]*jwt.AccountClaims{account: accountClaims, system: systemClaims} {
		if err := resolver.Store(public(t, k), encode(t, claims, operator)); err != nil {
			t.Fatal(err)
		}
	}
	operatorClaims := jwt.NewOperatorClaims(public(t, operator))
	encode(t, operatorClaims, operator)
	i := &installation{t: t, account: account, options: &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
		JetStream: true, StoreDir: t.TempDir(),
		TrustedOperators: []*jwt.OperatorClaims{operatorClaims},
		AccountResolver:  resolver,
		SystemAccount:    public(t, system),
	}}
	i.start()
	i.options.Port = i.port() // a restarted server has the same port
	t.Cleanup(func() { i.stop() })
	return i
}

func (i *installation) port() int {
	var port int
	fmt.Sscanf(i.server.Addr().String(), "127.0.0.1:%d", &port)
	return port
}

func (i *installation) url() string {
	scheme := "nats"
	if i.options.TLS {
		scheme = "tls"
	}
	return fmt.Sprintf("%s://127.0.0.1:%d", scheme, i.options.Port)
}

func (i *installation) start() {
	i.t.Helper()
	s, err := server.NewServer(i.options.Clone())
	if err != nil {
		i.t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		i.t.Fatal("the NATS server did not start")
	}
	i.server = s
}

func (i *installation) stop() {
	i.server.Shutdown()
	i.server.WaitForShutdown()
}

// credentials writes the .creds file of a new user to path and returns path. permit restricts the user's permissions.
func (i *installation) credentials(path string, permit func(*jwt.UserClaims)) string {
	i.t.Helper()
	user := key(i.t, nkeys.CreateUser)
	claims := jwt.NewUserClaims(public(i.t, user))
	permit(claims)
	seed, err := user.Seed()
	if err != nil {
		i.t.Fatal(err)
	}
	creds, err := jwt.FormatUserConfig(encode(i.t, claims, i.account), seed)
	if err != nil {
		i.t.Fatal(err)
	}
	if err := os.WriteFile(path, creds, 0o600); err != nil {
		i.t.Fatal(err)
	}
	return path
}

// ofTheRun gives a user the permissions of a trial: to publish on its run's subjects and to subscribe to its run's
// inbox.
func ofTheRun(claims *jwt.UserClaims) {
	claims.Pub.Allow.Add(wire.RunSubjects(runUID))
	claims.Sub.Allow.Add(wire.InboxPrefix(runUID) + ".>")
}

// admin returns a connection that may create the stream and read it, as the operator's.
func (i *installation) admin(options ...nats.Option) jetstream.JetStream {
	i.t.Helper()
	file := i.credentials(filepath.Join(i.t.TempDir(), "admin.creds"), func(*jwt.UserClaims) {})
	options = append(options,
		nats.UserCredentials(file), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	conn, err := nats.Connect(i.url(), options...)
	if err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		i.t.Fatal(err)
	}
	return js
}

func key(t *testing.T, create func() (nkeys.KeyPair, error)) nkeys.KeyPair {
	t.Helper()
	k, err := create()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func public(t *testing.T, k nkeys.KeyPair) string {
	t.Helper()
	p, err := k.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func encode(t *testing.T, claims jwt.Claims, by nkeys.KeyPair) string {
	t.Helper()
	token, err := claims.Encode(by)
	if err != nil {
		t.Fatal(err)
	}
	return token
}
