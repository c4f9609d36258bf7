package credential

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"plumbline.dev/plumbline/operator/natstest"
	"plumbline.dev/plumbline/wire"
)

const own, other = "11111111-aaaa", "22222222-bbbb"

// The test uses a run's credential on a real server, which must refuse everything but the run's reports.
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

	tries := map[string]func() error{
		"publish another run's report":      func() error { return nc.Publish(wire.Subject(other, "d18", 1), nil) },
		"publish beside the stream":         func() error { return nc.Publish("plumbline.v1", nil) },
		"publish to another run's inbox":    func() error { return nc.Publish(wire.InboxPrefix(other)+".x", nil) },
		"publish to the operator's inbox":   func() error { return nc.Publish(OperatorInbox+".x", nil) },
		"subscribe to its own reports":      func() error { return subscribe(nc, wire.RunSubjects(own)) },
		"subscribe to every report":         func() error { return subscribe(nc, wire.StreamSubjects) },
		"subscribe to another run's inbox":  func() error { return subscribe(nc, wire.InboxPrefix(other)+".>") },
		"subscribe to the operator's inbox": func() error { return subscribe(nc, OperatorInbox+".>") },
		"subscribe to everything":           func() error { return subscribe(nc, ">") },
		"subscribe to JetStream's advice":   func() error { return subscribe(nc, "$JS.EVENT.ADVISORY.>") },
	}
	// These subjects read, change or remove what the stream holds, or are the server's own.
	for _, subject := range []string{
		"$JS.API.INFO",
		"$JS.API.STREAM.LIST",
		"$JS.API.STREAM.INFO.PLUMBLINE",
		"$JS.API.STREAM.CREATE.PLUMBLINE",
		"$JS.API.STREAM.UPDATE.PLUMBLINE",
		"$JS.API.STREAM.DELETE.PLUMBLINE",
		"$JS.API.STREAM.PURGE.PLUMBLINE",
		"$JS.API.STREAM.MSG.GET.PLUMBLINE",
		"$JS.API.STREAM.MSG.DELETE.PLUMBLINE",
		"$JS.API.STREAM.SNAPSHOT.PLUMBLINE",
		"$JS.API.STREAM.RESTORE.PLUMBLINE",
		"$JS.API.STREAM.CREATE.MINE",
		"$JS.API.DIRECT.GET.PLUMBLINE",
		"$JS.API.CONSUMER.CREATE.PLUMBLINE",
		"$JS.API.CONSUMER.CREATE.PLUMBLINE.mine",
		"$JS.API.CONSUMER.DURABLE.CREATE.PLUMBLINE.mine",
		"$JS.API.CONSUMER.LIST.PLUMBLINE",
		"$JS.API.CONSUMER.DELETE.PLUMBLINE.operators",
		"$JS.API.CONSUMER.MSG.NEXT.PLUMBLINE.operators",
		"$JS.ACK.PLUMBLINE.operators.1.1.1.1.1",
		"$JS.FC.PLUMBLINE.x",
		"$SYS.REQ.USER.INFO.x",
		"$SYS.REQ.SERVER.PING",
	} {
		tries["ask "+subject] = func() error { return nc.Publish(subject, []byte(`{"seq":1}`)) }
	}
	for name, try := range tries {
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
				t.Error("the server did not refuse it")
			}
		})
	}
}

// A pod may name any subject for the acknowledgement of its message, and the server sends the acknowledgement there
// with its own rights. It must not reach JetStream's API. On another run's subject it leaves a message that is no
// report.
func TestAcknowledgementsDoNoHarm(t *testing.T) {
	s := natstest.Start(t)
	issuer, err := New(s.Seed, s.Account)
	if err != nil {
		t.Fatal(err)
	}
	js := makeStream(t, s.URL(), issuer)
	nc, _ := connect(t, s.URL(), issuer, own)
	replies := []string{
		wire.Subject(other, "d18", 1),
		OperatorInbox + ".x",
		"$JS.API.STREAM.PURGE.PLUMBLINE",
		"$JS.API.STREAM.DELETE.PLUMBLINE",
		"$JS.API.STREAM.MSG.DELETE.PLUMBLINE",
		"$JS.API.STREAM.UPDATE.PLUMBLINE",
		"$JS.API.STREAM.CREATE.MINE",
		"$JS.API.CONSUMER.CREATE.PLUMBLINE",
	}
	for _, reply := range replies {
		if err := nc.PublishRequest(wire.Subject(own, "d18", 1), reply, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	// When this request is answered, the server has handled everything before it.
	if _, err := nc.Request(wire.Subject(own, "d18", 1), []byte("{}"), 10*time.Second); err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), wire.Stream)
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sent, state := uint64(len(replies)+1), info.State
	if state.FirstSeq != 1 || state.Consumers != 0 || state.Msgs != sent+1 || state.LastSeq != state.Msgs {
		t.Errorf("want the %d sent messages and one acknowledgement in the stream: %+v", sent, state)
	}
	stray, err := stream.GetLastMsgForSubject(t.Context(), wire.RunSubjects(other))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wire.DecodeReport(stray.Data); err == nil {
		t.Errorf("%s is accepted as a report", stray.Data)
	}
}

// With a run's credential a pod can send no message that is larger than a report and its headers, and can make no other
// type of connection.
func TestRunCredentialIsForReportsAlone(t *testing.T) {
	s := natstest.Start(t)
	issuer, err := New(s.Seed, s.Account)
	if err != nil {
		t.Fatal(err)
	}
	makeStream(t, s.URL(), issuer)
	nc, _ := connect(t, s.URL(), issuer, own)
	largest := make([]byte, wire.MaxReportBytes)
	if _, err := nc.Request(wire.Subject(own, "d18", 1), largest, 10*time.Second); err != nil {
		t.Errorf("the largest report: %v", err)
	}
	lost := make(chan struct{})
	nc.SetDisconnectErrHandler(func(*nats.Conn, error) { close(lost) })
	// The client itself refuses only messages above the server's limit, which is higher than the user's.
	if err := nc.Publish(wire.Subject(own, "d18", 1), make([]byte, maxPayload+1)); err == nil {
		select {
		case <-lost:
		case <-time.After(10 * time.Second):
			t.Error("the server accepts a message that is too large")
		}
	}
	creds, err := issuer.Run(own)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.ParseDecoratedJWT(creds)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := jwt.DecodeUserClaims(token)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{jwt.ConnectionTypeStandard, jwt.ConnectionTypeWebsocket}
	if got := []string(claims.AllowedConnectionTypes); !slices.Equal(got, want) || claims.Expires != 0 {
		t.Errorf("connections %v, expiry %d (docs/adr/0009)", got, claims.Expires)
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
	noSeed := write("bad.nk", "hello")
	userSeed := write("user.nk", "SUAGC3DPAZ7FQYDXGFX6M5EKF2YBYTRJVYIYMPCJBZ3KNKGYPIM4MJPLUA")
	for name, tc := range map[string]struct{ seed, account, want string }{
		"the files are swapped":       {account, seed, "is not the public key of a NATS account"},
		"the seed is no seed":         {noSeed, account, "read the seed of a signing key"},
		"the signing key is a user's": {userSeed, account, "signing key"},
		"a file is missing":           {filepath.Join(dir, "none"), account, "read the account's signing key"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Load(tc.seed, tc.account); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

// makeStream creates the stream as the operator does.
func makeStream(t *testing.T, url string, issuer *Issuer) jetstream.JetStream {
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
	stream := jetstream.StreamConfig{Name: wire.Stream, Subjects: []string{wire.StreamSubjects}}
	if _, err := js.CreateStream(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	return js
}

// connect signs in as a run's pod does, with a credentials file. The channel receives what the server refuses.
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
