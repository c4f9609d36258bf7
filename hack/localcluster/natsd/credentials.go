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

// AccountName is the account that reports live in.
const AccountName = "PLUMBLINE"

// Limits of the account's JetStream, and of the server. An account JWT without
// them has no JetStream at all.
const (
	maxMemory = 256 << 20 // bytes
	maxStore  = 10 << 30  // bytes on disk; used only as messages arrive
)

// Files that people, tests and the operator read, below STATE/nats.
const (
	signingKeyFile = "account.nk"  // seed that signs user JWTs: the Secret's signing.nk
	accountFile    = "account.pub" // the account's public key, the issuer-account of those JWTs
	adminFile      = "admin.creds" // a user with full rights in the account
	urlFile        = "url"
	configFile     = "nats.conf"
)

// AdminCreds is the credentials file for people and tests.
func AdminCreds(c *cluster.Cluster) string { return c.Path("nats", adminFile) }

// Ensure makes operator, accounts, keys and the server's configuration, once.
// The configuration is written last: where it exists, everything does.
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

// issuer is a key pair taken apart.
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

// adminCredentials is a user without limits on subjects, signed as the operator signs a run's.
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

// serverConfig: a message counts as stored once it is in the file; the kernel keeps
// it through a kill of the server, and the disk has it sync_interval later.
func serverConfig(c *cluster.Cluster, operatorJWT, system, systemJWT, account, accountJWT string) string {
	return fmt.Sprintf(`# Written by localcluster. Removing it makes new keys at the next `+"`up`"+`.
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
