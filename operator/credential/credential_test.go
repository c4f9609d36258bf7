package credential

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"plumbline.dev/plumbline/operator/natstest"
	"plumbline.dev/plumbline/wire"
)

const own, other = "11111111-aaaa", "22222222-bbbb"

// A run's credential is tried on a real server: what it may not do is refused there, not here.
func TestRunCredential(t *testing.T) {
	s := natstest.Start(t)
	issuer, err := New(s.Seed, s.Account)
	if err != nil {
		t.Fatal(err)
	}
	makeStream(t, s.URL(), issuer)
	nc, refused := connect(t, s.URL(), issuer, own)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()

	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ack, err := js.Publish(ctx, wire.Subject(own, "d18", 1), []byte("{}"))
	if err != nil || ack.Stream != wire.Stream || ack.Sequence != 1 {
		t.Fatalf("its own report: ack %+v, %v", ack, err)
	}

	for name, try := range map[string]func() error{
		"publish another run's report":      func() error { return nc.Publish(wire.Subject(other, "d18", 1), nil) },
		"publish beside the stream":         func() error { return nc.Publish("plumbline.v1", nil) },
		"ask JetStream's API":               func() error { return nc.Publish("$JS.API.STREAM.PURGE."+wire.Stream, nil) },
		"ask for the stream's messages":     func() error { return nc.Publish("$JS.API.STREAM.MSG.GET."+wire.Stream, []byte(`{"seq":1}`)) },
		"subscribe to its own reports":      func() error { return subscribe(nc, wire.RunSubjects(own)) },
		"subscribe to every report":         func() error { return subscribe(nc, wire.StreamSubjects) },
		"subscribe to another run's inbox":  func() error { return subscribe(nc, wire.InboxPrefix(other)+".>") },
		"subscribe to the operator's inbox": func() error { return subscribe(nc, OperatorInbox+".>") },
		"subscribe to everything":           func() error { return subscribe(nc, ">") },
	} {
		t.Run(name, func(t *testing.T) {
			if err := try(); err != nil {
				t.Fatal(err)
			}
			if err := nc.FlushWithContext(ctx); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-refused:
				if !errors.Is(err, nats.ErrPermissionViolation) {
					t.Errorf("refused for another reason: %v", err)
				}
			case <-ctx.Done():
				t.Error("was not refused")
			}
		})
	}
}

func TestKeysThatDoNotFit(t *testing.T) {
	s := natstest.Start(t)
	dir := t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	seed, account := write("signing.nk", string(s.Seed)+"\n"), write("account.pub", s.Account+"\n")
	if _, err := Load(seed, account); err != nil {
		t.Errorf("good files: %v", err)
	}
	for name, tc := range map[string]struct{ seed, account, want string }{
		"the files are swapped":     {account, seed, "is not the public key of a NATS account"},
		"the seed is no seed":       {write("bad.nk", "hello"), account, "read the seed of a signing key"},
		"the signing key is a user": {write("user.nk", "SUAGC3DPAZ7FQYDXGFX6M5EKF2YBYTRJVYIYMPCJBZ3KNKGYPIM4MJPLUA"), account, "signing key"},
		"a file is missing":         {filepath.Join(dir, "none"), account, "read the account's signing key"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Load(tc.seed, tc.account); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want something with %q", err, tc.want)
			}
		})
	}
}

func makeStream(t *testing.T, url string, issuer *Issuer) {
	t.Helper()
	option, err := issuer.Operator()
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(url, option, nats.CustomInboxPrefix(OperatorInbox))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: wire.Stream, Subjects: []string{wire.StreamSubjects}}); err != nil {
		t.Fatal(err)
	}
}

// connect signs in as a pod does, from a credentials file.
func connect(t *testing.T, url string, issuer *Issuer, uid string) (*nats.Conn, <-chan error) {
	t.Helper()
	creds, err := issuer.Run(uid)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "user.creds")
	if err := os.WriteFile(file, creds, 0o600); err != nil {
		t.Fatal(err)
	}
	refused := make(chan error, 16)
	nc, err := nats.Connect(url, nats.UserCredentials(file), nats.CustomInboxPrefix(wire.InboxPrefix(uid)),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc, refused
}

func subscribe(nc *nats.Conn, subject string) error {
	_, err := nc.SubscribeSync(subject)
	return err
}
