package natskeys

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"plumbline.dev/plumbline/operator/natstest"
	"plumbline.dev/plumbline/wire"
)

// The server runs with config/nats/nats.conf, as in a cluster.
func TestNATSKeysMakeAServerThatKeepsReports(t *testing.T) {
	var out bytes.Buffer
	if err := printSecrets(&out, options{namespace: "plumbline-system", name: "plumbline-nats"}); err != nil {
		t.Fatal(err)
	}
	secrets := natstest.ReadSecrets(t, out.Bytes())
	url := startNATS(t, secrets["plumbline-nats-server"])
	ctx := t.Context()

	t.Run("a user signed with the account's key makes the stream", func(t *testing.T) {
		account := secrets["plumbline-nats-account"]
		creds := signUser(t, account[SigningKeyFile], string(account[AccountFile]))
		nc, err := nats.Connect(url, nats.UserCredentialBytes(creds))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		stream := jetstream.StreamConfig{Name: wire.Stream, Subjects: []string{wire.StreamSubjects}}
		if _, err := js.CreateStream(ctx, stream); err != nil {
			t.Fatal(err)
		}
		if _, err := js.Publish(ctx, wire.Subject("uid", "d18", 1), []byte("{}")); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a user signed with another key is refused", func(t *testing.T) {
		stranger, err := nkeys.CreateAccount()
		if err != nil {
			t.Fatal(err)
		}
		creds := signUser(t, seed(stranger), string(secrets["plumbline-nats-account"][AccountFile]))
		if nc, err := nats.Connect(url, nats.UserCredentialBytes(creds)); err == nil {
			nc.Close()
			t.Fatal("connected")
		}
	})
	t.Run("nobody connects without a credential", func(t *testing.T) {
		if nc, err := nats.Connect(url); err == nil {
			nc.Close()
			t.Fatal("connected")
		}
	})
}

// With --revoke-before the keys stay the same, and the server refuses users that were signed until that time.
func TestRevokedUsersAreRefused(t *testing.T) {
	keys, err := newKeys()
	if err != nil {
		t.Fatal(err)
	}
	user := signUser(t, seed(keys.signing), public(keys.account)) // now
	for name, tc := range map[string]struct {
		before time.Time
		ok     bool // the user of now may connect
	}{
		"nobody is revoked":                         {time.Time{}, true},
		"users that were signed an hour ago":        {time.Now().Add(-time.Hour), true},
		"all users that have been signed until now": {time.Now().Add(time.Minute), false},
	} {
		t.Run(name, func(t *testing.T) {
			secrets, err := keys.secrets(options{namespace: "ns", name: "n", revokeBefore: tc.before})
			if err != nil {
				t.Fatal(err)
			}
			nc, err := nats.Connect(startNATS(t, secrets[1].Data), nats.UserCredentialBytes(user))
			if err == nil {
				nc.Close()
			}
			if (err == nil) != tc.ok || err != nil && !errors.Is(err, nats.ErrAuthorization) {
				t.Errorf("connecting: %v", err)
			}
		})
	}
}

func TestEnsureNATSKeys(t *testing.T) {
	const namespace, prefix = "plumbline-system", "plumbline-nats"
	for name, test := range map[string]struct {
		lost  []string // Secrets that the first call did not make, because it was interrupted
		hosts []string // of the second call
		want  string
	}{
		"a second call changes nothing": {
			want: "Secret plumbline-system/plumbline-nats-server exists already\n" +
				"Secret plumbline-system/plumbline-nats-account exists already\n",
		},
		"a call after an interrupted one makes the missing Secrets from the same keys": {
			lost: []string{"plumbline-nats-server", "plumbline-nats-account"},
			want: "Secret plumbline-system/plumbline-nats-server created\n" +
				"Secret plumbline-system/plumbline-nats-account created\n",
		},
		"a later call may ask for TLS": {
			hosts: []string{"plumbline-nats.plumbline-system.svc"},
			want: "Secret plumbline-system/plumbline-nats-server exists already\n" +
				"Secret plumbline-system/plumbline-nats-account exists already\n" +
				"Secret plumbline-system/plumbline-nats-tls created\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			c := fake.NewClientBuilder().Build()
			if err := ensureSecrets(ctx, c, &bytes.Buffer{}, options{namespace: namespace, name: prefix}); err != nil {
				t.Fatal(err)
			}
			before := accountData(t, c)
			for _, lost := range test.lost {
				s := &corev1.Secret{}
				s.Namespace, s.Name = namespace, lost
				if err := c.Delete(ctx, s); err != nil {
					t.Fatal(err)
				}
			}

			var out bytes.Buffer
			second := options{namespace: namespace, name: prefix, tlsHosts: test.hosts}
			if err := ensureSecrets(ctx, c, &out, second); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(test.want, out.String()); d != "" {
				t.Errorf("output (-want +got):\n%s", d)
			}
			if d := cmp.Diff(before, accountData(t, c)); d != "" {
				t.Errorf("the account's keys changed (-before +after):\n%s", d)
			}
		})
	}

	t.Run("the error about a damaged root Secret names it and the way out", func(t *testing.T) {
		root := newSecret(namespace, prefix+"-root", map[string][]byte{"operator.nk": []byte("nonsense")})
		c := fake.NewClientBuilder().WithObjects(root).Build()
		err := ensureSecrets(t.Context(), c, &bytes.Buffer{}, options{namespace: namespace, name: prefix})
		for _, words := range []string{"plumbline-nats-root", "restore the Secret"} {
			if err == nil || !strings.Contains(err.Error(), words) {
				t.Errorf("got %v, want an error with %q", err, words)
			}
		}
	})
}

// accountData returns the data of the Secret for the operator.
func accountData(t *testing.T, c client.Client) map[string][]byte {
	t.Helper()
	s := &corev1.Secret{}
	key := client.ObjectKey{Namespace: "plumbline-system", Name: "plumbline-nats-account"}
	if err := c.Get(t.Context(), key, s); err != nil {
		t.Fatal(err)
	}
	return s.Data
}

// startNATS starts a server with config/nats/nats.conf and an auth.conf, and returns its URL.
func startNATS(t *testing.T, authConf map[string][]byte) (url string) {
	t.Helper()
	dir := t.TempDir()
	conf, err := os.ReadFile("../../config/nats/nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	here := strings.NewReplacer("0.0.0.0:4222", "127.0.0.1:-1", "0.0.0.0:8222", "127.0.0.1:-1")
	for name, data := range map[string][]byte{
		"nats.conf":  []byte(here.Replace(string(conf))),
		AuthConfFile: authConf[AuthConfFile],
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("POD_NAME", "plumbline-nats-0")
	t.Setenv("JETSTREAM_DIR", dir)
	t.Setenv("JETSTREAM_MAX_FILE", "1GB")
	return natstest.FromFile(t, filepath.Join(dir, "nats.conf"))
}

// signUser returns the credentials file of a new user of an account.
func signUser(t *testing.T, signing []byte, account string) []byte {
	t.Helper()
	signer, err := nkeys.FromSeed(signing)
	if err != nil {
		t.Fatal(err)
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.NewUserClaims(public(user))
	claims.IssuerAccount = account
	token, err := claims.Encode(signer)
	if err != nil {
		t.Fatal(err)
	}
	creds, err := jwt.FormatUserConfig(token, seed(user))
	if err != nil {
		t.Fatal(err)
	}
	return creds
}
