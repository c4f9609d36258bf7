// Package natskeys is the command nats-keys, which makes the keys of a NATS server in operator mode. config/nats and
// the chart run the command as a Job before the server starts. The command makes three Secrets, each for one reader:
//
//	NAME-root     The seeds of all keys. Nothing mounts it. It is created first, so that after an interruption the
//	              next call makes the other Secrets from the same keys.
//	NAME-server   auth.conf, a part of the server's configuration that says whom to trust. It holds no secret.
//	NAME-account  signing.nk and account.pub. With these the operator makes one credential per run.
//
// If the server must speak TLS and no other program makes its certificate, the command makes a fourth Secret, which
// depends on no key:
//
//	NAME-tls      tls.crt and tls.key for the server, ca.crt for its clients.
package natskeys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"plumbline.dev/plumbline/operator/credential"
)

// Keys of the Secrets' data, which become the names of mounted files.
const (
	AuthConfFile   = "auth.conf"   // in NAME-server
	SigningKeyFile = "signing.nk"  // in NAME-account and NAME-root
	AccountFile    = "account.pub" // in NAME-account
	AuthorityFile  = "ca.crt"      // in NAME-tls
)

const long = `Make the keys of a NATS server in operator mode, once, as three Secrets:

  NAME-root     the seeds of all keys; do not mount it
  NAME-server   auth.conf, which the server's configuration includes
  NAME-account  the key with which the operator signs credentials

With --tls-hosts the command also makes NAME-tls: a certificate for the server,
and the certificate of the authority that its clients must trust.

The command does not change Secrets that exist. With --print it creates
nothing, and writes the Secrets to standard output for kubectl create -f -.`

const example = `  plumbline-operator nats-keys --namespace plumbline-system
  plumbline-operator nats-keys --namespace plumbline-system \
    --tls-hosts plumbline-nats,plumbline-nats.plumbline-system.svc

  # For a NATS server of your own:
  plumbline-operator nats-keys --namespace nats --print | kubectl create -f -`

// Command returns the command nats-keys.
func Command() *cobra.Command {
	var o options
	var revokeBefore string
	var printOnly bool
	cmd := &cobra.Command{
		Use:          "nats-keys",
		Short:        "Make the keys of a NATS server in operator mode, once, as three Secrets",
		Long:         long,
		Example:      example,
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.namespace == "" {
				return errors.New("--namespace is empty: name the namespace of the NATS server")
			}
			if revokeBefore != "" {
				var err error
				if o.revokeBefore, err = time.Parse(time.RFC3339, revokeBefore); err != nil {
					return fmt.Errorf("--revoke-before must be a time such as 2026-01-02T15:04:05Z: %w", err)
				}
			}
			if printOnly {
				return printSecrets(cmd.OutOrStdout(), o)
			}
			config, err := ctrl.GetConfig()
			if err != nil {
				return fmt.Errorf("find the API server: %w", err)
			}
			c, err := client.New(config, client.Options{})
			if err != nil {
				return fmt.Errorf("reach the API server: %w", err)
			}
			return ensureSecrets(cmd.Context(), c, cmd.OutOrStdout(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.namespace, "namespace", os.Getenv("POD_NAMESPACE"),
		"namespace of the Secrets; default: $POD_NAMESPACE")
	f.StringVar(&o.name, "name", "plumbline-nats",
		"NAME with which the names of the Secrets begin")
	f.StringSliceVar(&o.tlsHosts, "tls-hosts", nil,
		"host names and addresses of the server: also make a certificate for them, valid for ten years")
	f.StringVar(&revokeBefore, "revoke-before", "",
		"make the server refuse every user signed until this time, such as 2026-01-02T15:04:05Z (docs/nats.md)")
	f.BoolVar(&printOnly, "print", false,
		"print the Secrets instead of creating them")
	return cmd
}

type options struct {
	namespace, name string
	tlsHosts        []string
	revokeBefore    time.Time // zero: revoke nobody
}

// printSecrets writes all Secrets, with new keys, as YAML documents.
func printSecrets(w io.Writer, o options) error {
	keys, err := newKeys()
	if err != nil {
		return err
	}
	secrets, err := keys.secrets(o)
	if err != nil {
		return err
	}
	for _, s := range secrets {
		b, err := yaml.Marshal(s)
		if err != nil {
			return fmt.Errorf("encode Secret %s: %w", s.Name, err)
		}
		if _, err := fmt.Fprintf(w, "---\n%s", b); err != nil {
			return err
		}
	}
	return nil
}

// ensureSecrets creates the Secrets that do not exist yet, and reports on w what it did. It changes no Secret and reads
// only the root Secret, so its role can be as narrow as that.
func ensureSecrets(ctx context.Context, c client.Client, w io.Writer, o options) error {
	keys, err := newKeys()
	if err != nil {
		return err
	}
	root := keys.root(o)
	if err := c.Create(ctx, root); apierrors.IsAlreadyExists(err) {
		if err := c.Get(ctx, client.ObjectKeyFromObject(root), root); err != nil {
			return fmt.Errorf("read Secret %s/%s: %w", o.namespace, root.Name, err)
		}
		if keys, err = keysFrom(root); err != nil {
			return err
		}
	} else if err != nil {
		return fmt.Errorf("create Secret %s/%s: %w", o.namespace, root.Name, err)
	}
	secrets, err := keys.secrets(o)
	if err != nil {
		return err
	}
	for _, s := range secrets[1:] {
		state := "created"
		if err := c.Create(ctx, s); apierrors.IsAlreadyExists(err) {
			state = "exists already"
		} else if err != nil {
			return fmt.Errorf("create Secret %s/%s: %w", o.namespace, s.Name, err)
		}
		fmt.Fprintf(w, "Secret %s/%s %s\n", o.namespace, s.Name, state)
	}
	return nil
}

// keys holds the key pairs from which everything else is made. The operator key signs accounts. The account's signing
// key signs users.
type keys struct{ operator, system, account, signing nkeys.KeyPair }

func newKeys() (keys, error) {
	var k keys
	for _, key := range []struct {
		to     *nkeys.KeyPair
		create func() (nkeys.KeyPair, error)
	}{
		{&k.operator, nkeys.CreateOperator},
		{&k.system, nkeys.CreateAccount},
		{&k.account, nkeys.CreateAccount},
		{&k.signing, nkeys.CreateAccount},
	} {
		pair, err := key.create()
		if err != nil {
			return keys{}, fmt.Errorf("make a NATS key: %w", err)
		}
		*key.to = pair
	}
	return k, nil
}

// named pairs each key with its name in the root Secret.
func (k *keys) named() map[string]*nkeys.KeyPair {
	return map[string]*nkeys.KeyPair{
		"operator.nk": &k.operator, "system.nk": &k.system, "account.nk": &k.account, SigningKeyFile: &k.signing,
	}
}

// keysFrom reads the keys from the root Secret.
func keysFrom(root *corev1.Secret) (keys, error) {
	var k keys
	named := k.named()
	for _, name := range slices.Sorted(maps.Keys(named)) {
		var err error
		if *named[name], err = nkeys.FromSeed(root.Data[name]); err != nil {
			return keys{}, fmt.Errorf("key %s of Secret %s/%s is not a NATS seed (%w): restore the Secret, or delete "+
				"all three Secrets and restart NATS, which makes the stored reports unreachable",
				name, root.Namespace, root.Name, err)
		}
	}
	return k, nil
}

// secrets returns all Secrets in the order in which they are created: the root first.
func (k keys) secrets(o options) ([]*corev1.Secret, error) {
	authConf, err := k.authConf(o.revokeBefore)
	if err != nil {
		return nil, err
	}
	certificate, err := tlsSecret(o)
	return append([]*corev1.Secret{
		k.root(o),
		newSecret(o.namespace, o.name+"-server", map[string][]byte{AuthConfFile: []byte(authConf)}),
		newSecret(o.namespace, o.name+"-account", map[string][]byte{
			SigningKeyFile: seed(k.signing), AccountFile: []byte(public(k.account)),
		}),
	}, certificate...), err
}

// root returns the root Secret.
func (k keys) root(o options) *corev1.Secret {
	data := map[string][]byte{}
	for name, pair := range k.named() {
		data[name] = seed(*pair)
	}
	return newSecret(o.namespace, o.name+"-root", data)
}

// newSecret returns an immutable Secret: to replace a key would cut off every run that has a credential.
func newSecret(namespace, name string, data map[string][]byte) *corev1.Secret {
	immutable := true
	return &corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, Labels: map[string]string{"app.kubernetes.io/part-of": "plumbline"},
		},
		Immutable: &immutable,
		Data:      data,
	}
}

// tlsSecret returns the Secret with the server's certificate, or none without hosts. A second call does not renew an
// existing one: the Job may only create Secrets.
func tlsSecret(o options) ([]*corev1.Secret, error) {
	if len(o.tlsHosts) == 0 {
		return nil, nil
	}
	c, err := credential.NewCertificate(o.tlsHosts, time.Now())
	if err != nil {
		return nil, err
	}
	s := newSecret(o.namespace, o.name+"-tls", map[string][]byte{
		corev1.TLSCertKey: c.Certificate, corev1.TLSPrivateKeyKey: c.Key, AuthorityFile: c.Authority,
	})
	s.Type = corev1.SecretTypeTLS
	return []*corev1.Secret{s}, nil
}

// authConf returns the part of nats-server's configuration that says whom the server trusts. It has two accounts: the
// server's own, and the account of the reports. The server's configuration limits how much the account of the reports
// may store. Its token allows everything, because an account without JetStream limits in its token can store nothing.
func (k keys) authConf(revokeBefore time.Time) (string, error) {
	operator := jwt.NewOperatorClaims(public(k.operator))
	operator.Name = "plumbline"
	operator.SystemAccount = public(k.system)
	system := jwt.NewAccountClaims(public(k.system))
	system.Name = "SYS"
	account := jwt.NewAccountClaims(public(k.account))
	account.Name = "PLUMBLINE"
	account.SigningKeys.Add(public(k.signing))
	if !revokeBefore.IsZero() {
		account.RevokeAt(jwt.All, revokeBefore)
	}
	account.Limits.JetStreamLimits = jwt.JetStreamLimits{
		MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit,
	}

	var tokens []any
	for _, claims := range []jwt.Claims{operator, system, account} {
		token, err := claims.Encode(k.operator)
		if err != nil {
			return "", fmt.Errorf("sign the NATS claims of %s: %w", claims.Claims().Name, err)
		}
		tokens = append(tokens, token)
	}
	return fmt.Sprintf(`operator: %q
system_account: %[4]s
resolver: MEMORY
resolver_preload: {
  %[4]s: %[2]q
  %[5]s: %[3]q
}
`, append(tokens, public(k.system), public(k.account))...), nil
}

// seed returns a pair's seed. Every pair here was made from a seed, so every pair has one.
func seed(k nkeys.KeyPair) []byte {
	b, err := k.Seed()
	if err != nil {
		panic(err)
	}
	return b
}

// public returns a pair's public key.
func public(k nkeys.KeyPair) string {
	s, err := k.PublicKey()
	if err != nil {
		panic(err)
	}
	return s
}
