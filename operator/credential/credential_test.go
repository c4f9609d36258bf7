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
	for _, subject := range []string{ // all that could read, change or remove what the stream holds, and the server's own
		"$JS.API.INFO", "$JS.API.STREAM.LIST", "$JS.API.STREAM.INFO.PLUMBLINE", "$JS.API.STREAM.CREATE.PLUMBLINE", "$JS.API.STREAM.UPDATE.PLUMBLINE",
		"$JS.API.STREAM.DELETE.PLUMBLINE", "$JS.API.STREAM.PURGE.PLUMBLINE", "$JS.API.STREAM.MSG.GET.PLUMBLINE", "$JS.API.STREAM.MSG.DELETE.PLUMBLINE",
		"$JS.API.STREAM.SNAPSHOT.PLUMBLINE", "$JS.API.STREAM.RESTORE.PLUMBLINE", "$JS.API.STREAM.CREATE.MINE", "$JS.API.DIRECT.GET.PLUMBLINE",
		"$JS.API.CONSUMER.CREATE.PLUMBLINE", "$JS.API.CONSUMER.CREATE.PLUMBLINE.mine", "$JS.API.CONSUMER.DURABLE.CREATE.PLUMBLINE.mine",
		"$JS.API.CONSUMER.LIST.PLUMBLINE", "$JS.API.CONSUMER.DELETE.PLUMBLINE.operators", "$JS.API.CONSUMER.MSG.NEXT.PLUMBLINE.operators",
		"$JS.ACK.PLUMBLINE.operators.1.1.1.1.1", "$JS.FC.PLUMBLINE.x", "$SYS.REQ.USER.INFO.x", "$SYS.REQ.SERVER.PING",
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
				t.Error("was not refused")
			}
		})
	}
}

// What a run's credential may publish can name any subject to answer to, and the server answers in its own name. That
// reaches no administration of the stream; on another run's subject it leaves an acknowledgement, which is no report.
func TestAnswersReachNothing(t *testing.T) {
	s := natstest.Start(t)
	issuer, err := New(s.Seed, s.Account)
	if err != nil {
		t.Fatal(err)
	}
	js := makeStream(t, s.URL(), issuer)
	nc, _ := connect(t, s.URL(), issuer, own)
	replies := []string{
		wire.Subject(other, "d18", 1), OperatorInbox + ".x", "$JS.API.STREAM.PURGE.PLUMBLINE", "$JS.API.STREAM.DELETE.PLUMBLINE", "$JS.API.STREAM.MSG.DELETE.PLUMBLINE",
		"$JS.API.STREAM.UPDATE.PLUMBLINE", "$JS.API.STREAM.CREATE.MINE", "$JS.API.CONSUMER.CREATE.PLUMBLINE",
	}
	for _, reply := range replies {
		if err := nc.PublishRequest(wire.Subject(own, "d18", 1), reply, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := nc.Request(wire.Subject(own, "d18", 1), []byte("{}"), 10*time.Second); err != nil { // everything before it is done by now
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
	if sent := uint64(len(replies) + 1); info.State.FirstSeq != 1 || info.State.Consumers != 0 || info.State.Msgs != sent+1 || info.State.LastSeq != info.State.Msgs {
		t.Errorf("%d were sent, and an acknowledgement lies among them; the stream is %+v", sent, info.State)
	}
	stray, err := stream.GetLastMsgForSubject(t.Context(), wire.RunSubjects(other))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wire.DecodeReport(stray.Data); err == nil {
		t.Errorf("%s passes for a report", stray.Data)
	}
}

// One message of a run can be no larger than a report, and no other kind of connection can be made with its credential.
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
	if err := nc.Publish(wire.Subject(own, "d18", 1), make([]byte, maxPayload+1)); err == nil { // the client knows the server's limit, not the user's
		select {
		case <-lost:
		case <-time.After(10 * time.Second):
			t.Error("a message that is too large is taken")
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
	if got := []string(claims.AllowedConnectionTypes); !slices.Equal(got, []string{jwt.ConnectionTypeStandard, jwt.ConnectionTypeWebsocket}) || claims.Expires != 0 {
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
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: wire.Stream, Subjects: []string{wire.StreamSubjects}}); err != nil {
		t.Fatal(err)
	}
	return js
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
