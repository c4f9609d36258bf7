package natsd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"plumbline.dev/plumbline/hack/localcluster/cluster"
)

// AccountName is the name of the account whose stream holds the reports.
const AccountName = "PLUMBLINE"

// Limits of JetStream, for the account and for the server. An account whose JWT has no
// limits cannot use JetStream.
const (
	maxMemory = 256 << 20 // bytes
	maxStore  = 10 << 30  // bytes on disk; used only as messages arrive
)

// Files below STATE/nats that people, tests, Plumbline's operator and the server read.
const (
	signingKeyFile = "account.nk"  // seed of the key that signs user JWTs; signing.nk in the operator's Secret
	accountFile    = "account.pub" // the account's public key; user JWTs name it as their issuer account
	adminFile      = "admin.creds" // credentials of a user with every right in the account
	urlFile        = "url"
	configFile     = "nats.conf"
)

// AdminCreds returns the path of the credentials for people and tests.
func AdminCreds(c *cluster.Cluster) string { return c.Path("nats", adminFile) }

// Ensure makes the NATS operator, the accounts, their keys and the server's configuration,
// unless they exist. It writes the configuration last, so all other files exist where the
// configuration exists.
func Ensure(c *cluster.Cluster) error {
	dir := c.Path("nats")
	if _, err := os.Stat(filepath.Join(dir, configFile)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	operator, err := newIssuer(nkeys.CreateOperator)
	if err != nil {
		return err
	}
	system, err := newIssuer(nkeys.CreateAccount)
	if err != nil {
		return err
	}
	account, err := newIssuer(nkeys.CreateAccount)
	if err != nil {
		return err
	}
	signing, err := newIssuer(nkeys.CreateAccount)
	if err != nil {
		return err
	}

	operatorJWT, err := operatorToken(operator, system)
	if err != nil {
		return err
	}
	systemJWT, err := systemToken(operator, system)
	if err != nil {
		return err
	}
	accountJWT, err := accountToken(operator, account, signing)
	if err != nil {
		return err
	}
	creds, err := adminCredentials(account, signing)
	if err != nil {
		return err
	}
	conf := serverConfig(c, operatorJWT, system.public, systemJWT, account.public, accountJWT)

	for _, f := range []struct {
		name string
		data []byte
	}{
		{"operator.nk", operator.seed},
		{"operator.jwt", []byte(operatorJWT)},
		{"account-identity.nk", account.seed},
		{signingKeyFile, signing.seed},
		{accountFile, []byte(account.public)},
		{adminFile, creds},
		{urlFile, []byte(c.NATS() + "\n")},
		{configFile, []byte(conf)},
	} {
		if err := cluster.WriteFile(filepath.Join(dir, f.name), f.data); err != nil {
			return err
		}
	}
	return nil
}

// issuer is a key pair that signs JWTs, with its seed and its public key.
type issuer struct {
	pair   nkeys.KeyPair
	seed   []byte
	public string
}

func newIssuer(create func() (nkeys.KeyPair, error)) (issuer, error) {
	pair, err := create()
	if err != nil {
		return issuer{}, fmt.Errorf("make a NATS key: %w", err)
	}
	seed, err := pair.Seed()
	if err != nil {
		return issuer{}, fmt.Errorf("make a NATS key: %w", err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		return issuer{}, fmt.Errorf("make a NATS key: %w", err)
	}
	return issuer{pair: pair, seed: seed, public: public}, nil
}

func operatorToken(operator, system issuer) (string, error) {
	claims := jwt.NewOperatorClaims(operator.public)
	claims.Name = "localcluster"
	claims.SystemAccount = system.public
	return encode(claims, operator)
}

func systemToken(operator, system issuer) (string, error) {
	claims := jwt.NewAccountClaims(system.public)
	claims.Name = "SYS"
	return encode(claims, operator)
}

func accountToken(operator, account, signing issuer) (string, error) {
	claims := jwt.NewAccountClaims(account.public)
	claims.Name = AccountName
	claims.SigningKeys.Add(signing.public)
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{
		MemoryStorage: maxMemory,
		DiskStorage:   maxStore,
		Streams:       jwt.NoLimit,
		Consumer:      jwt.NoLimit,
	}
	return encode(claims, operator)
}

// adminCredentials returns credentials of a user who may use every subject. They are signed
// with the key that Plumbline's operator signs the credentials of a run with.
func adminCredentials(account, signing issuer) ([]byte, error) {
	user, err := newIssuer(nkeys.CreateUser)
	if err != nil {
		return nil, err
	}
	claims := jwt.NewUserClaims(user.public)
	claims.Name = "admin"
	claims.IssuerAccount = account.public
	token, err := encode(claims, signing)
	if err != nil {
		return nil, err
	}
	return jwt.FormatUserConfig(token, user.seed)
}

func encode(claims jwt.Claims, by issuer) (string, error) {
	token, err := claims.Encode(by.pair)
	if err != nil {
		return "", fmt.Errorf("sign the NATS claim of %s: %w", claims.Claims().Name, err)
	}
	return token, nil
}

// serverConfig returns nats.conf. The server confirms a message once it has written the
// message to the file. A kill of the server loses no confirmed message, because the kernel
// holds it; a power cut may lose those of the last sync_interval.
func serverConfig(c *cluster.Cluster, operatorJWT, system, systemJWT, account, accountJWT string) string {
	return fmt.Sprintf(`# Written by localcluster. If you remove this file, the next `+"`up`"+` makes new keys.
server_name: localcluster
listen: "127.0.0.1:%d"
http: "127.0.0.1:%d"
operator: %q
system_account: %q
resolver: MEMORY
resolver_preload: {
  %s: %q
  %s: %q
}
jetstream: {
  store_dir: %q
  max_mem: %d
  max_file: %d
  sync_interval: "10s"
}
`, c.Config.Ports.NATS, c.Config.Ports.NATSMonitor, operatorJWT, system,
		system, systemJWT, account, accountJWT,
		c.Path("nats", "jetstream"), maxMemory, int64(maxStore))
}
