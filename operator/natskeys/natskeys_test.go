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

// The server runs with config/nats/nats.conf, the file that a cluster gets.
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
		if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: wire.Stream, Subjects: []string{wire.StreamSubjects}}); err != nil {
			t.Fatal(err)
		}
		if _, err := js.Publish(ctx, wire.Subject("uid", "d18", 1), []byte("{}")); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a user signed with another key is turned away", func(t *testing.T) {
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

// The same keys, and whoever was signed until a moment is turned away.
func TestRevokedUsersAreTurnedAway(t *testing.T) {
	keys, err := newKeys()
	if err != nil {
		t.Fatal(err)
	}
	user := signUser(t, seed(keys.signing), public(keys.account)) // now
	for name, tc := range map[string]struct {
		before time.Time
		ok     bool
	}{
		"nobody is revoked":         {time.Time{}, true},
		"those of an hour ago are":  {time.Now().Add(-time.Hour), true},
		"all that there are by now": {time.Now().Add(time.Minute), false},
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
	const namespace, name = "plumbline-system", "plumbline-nats"
	for story, test := range map[string]struct {
		lost  []string // Secrets that a first, interrupted call did not leave behind
		hosts []string // of the second call
		want  string
	}{
		"a second call changes nothing": {
			want: "Secret plumbline-system/plumbline-nats-server exists already\nSecret plumbline-system/plumbline-nats-account exists already\n",
		},
		"what an interrupted call left undone is made from the same keys": {
			lost: []string{"plumbline-nats-server", "plumbline-nats-account"},
			want: "Secret plumbline-system/plumbline-nats-server created\nSecret plumbline-system/plumbline-nats-account created\n",
		},
		"TLS may be asked for later": {
			hosts: []string{"plumbline-nats.plumbline-system.svc"},
			want:  "Secret plumbline-system/plumbline-nats-server exists already\nSecret plumbline-system/plumbline-nats-account exists already\nSecret plumbline-system/plumbline-nats-tls created\n",
		},
	} {
		t.Run(story, func(t *testing.T) {
			ctx := t.Context()
			c := fake.NewClientBuilder().Build()
			if err := ensureSecrets(ctx, c, &bytes.Buffer{}, options{namespace: namespace, name: name}); err != nil {
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
			if err := ensureSecrets(ctx, c, &out, options{namespace: namespace, name: name, tlsHosts: test.hosts}); err != nil {
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

	t.Run("a damaged root is named, with the way out", func(t *testing.T) {
		root := newSecret(namespace, name+"-root", map[string][]byte{"operator.nk": []byte("nonsense")})
		err := ensureSecrets(t.Context(), fake.NewClientBuilder().WithObjects(root).Build(), &bytes.Buffer{}, options{namespace: namespace, name: name})
		if err == nil || !strings.Contains(err.Error(), "plumbline-nats-root") || !strings.Contains(err.Error(), "restore the Secret") {
			t.Fatalf("got %v", err)
		}
	})
}

func accountData(t *testing.T, c client.Client) map[string][]byte {
	t.Helper()
	s := &corev1.Secret{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "plumbline-system", Name: "plumbline-nats-account"}, s); err != nil {
		t.Fatal(err)
	}
	return s.Data
}

func startNATS(t *testing.T, authConf map[string][]byte) (url string) {
	t.Helper()
	dir := t.TempDir()
	conf, err := os.ReadFile("../../config/nats/nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	here := strings.NewReplacer("0.0.0.0:4222", "127.0.0.1:-1", "0.0.0.0:8222", "127.0.0.1:-1")
	for name, data := range map[string][]byte{"nats.conf": []byte(here.Replace(string(conf))), AuthConfFile: authConf[AuthConfFile]} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("POD_NAME", "plumbline-nats-0")
	t.Setenv("JETSTREAM_DIR", dir)
	t.Setenv("JETSTREAM_MAX_FILE", "1GB")
	return natstest.FromFile(t, filepath.Join(dir, "nats.conf"))
}

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
