// Package credential makes NATS users. In the walk it comes before the first Job of a run: the run gets a Secret with a
// user that may send the run's reports and nothing else. NATS runs in operator mode, so a user is a document that is
// signed with the account's key. The server does not have to know the user beforehand, so making one takes no request
// to the server.
package credential

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"plumbline.dev/plumbline/wire"
)

// OperatorInbox is the prefix of the operator's own inboxes.
const OperatorInbox = "_INBOX_plumbline-operator"

// Issuer makes and signs users of one account.
type Issuer struct {
	signing nkeys.KeyPair
	account string // public key
}

// Load reads the seed of an account's signing key and the account's public key from their files.
func Load(signingFile, accountFile string) (*Issuer, error) {
	seed, err := os.ReadFile(signingFile)
	if err != nil {
		return nil, fmt.Errorf("read the account's signing key: %w", err)
	}
	account, err := os.ReadFile(accountFile)
	if err != nil {
		return nil, fmt.Errorf("read the account's public key: %w", err)
	}
	issuer, err := New(bytes.TrimSpace(seed), strings.TrimSpace(string(account)))
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", signingFile, accountFile, err)
	}
	return issuer, nil
}

// New returns an Issuer with the seed of a signing key (SA…) and the public key of its account (A…).
func New(seed []byte, account string) (*Issuer, error) {
	if !nkeys.IsValidPublicAccountKey(account) {
		return nil, fmt.Errorf("%q is not the public key of a NATS account, which begins with A", account)
	}
	signing, err := nkeys.FromSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("read the seed of a signing key: %w", err)
	}
	if public, err := signing.PublicKey(); err != nil || !nkeys.IsValidPublicAccountKey(public) {
		return nil, fmt.Errorf("the signing key is not of an account: the seed of an account's key begins with SA")
	}
	return &Issuer{signing, account}, nil
}

// maxPayload is the largest message in bytes that a run's pod may send: a report and 4 KiB of headers.
const maxPayload = wire.MaxReportBytes + 4<<10

// Run returns the credentials file of a run's pods. With it they may publish the run's reports and receive the
// acknowledgements. It does not expire, because the operator could not renew it (docs/adr/0009).
func (i *Issuer) Run(uid string) ([]byte, error) {
	var may jwt.Permissions
	may.Pub.Allow.Add(wire.RunSubjects(uid))
	may.Sub.Allow.Add(wire.InboxPrefix(uid) + ".>")
	token, user, err := i.user("run "+uid, may, func(c *jwt.UserClaims) {
		c.Limits.Payload = maxPayload
		// Other types stay forbidden: a leaf node, for example, could connect a whole network.
		c.AllowedConnectionTypes.Add(jwt.ConnectionTypeStandard, jwt.ConnectionTypeWebsocket)
	})
	if err != nil {
		return nil, err
	}
	seed, err := user.Seed()
	if err != nil {
		return nil, fmt.Errorf("make a NATS user: %w", err)
	}
	return jwt.FormatUserConfig(token, seed)
}

// Operator returns the option with which the operator itself signs in: a new user, which exists in memory only.
func (i *Issuer) Operator() (nats.Option, error) {
	var may jwt.Permissions
	may.Pub.Allow.Add("$JS.API.>")
	may.Sub.Allow.Add(OperatorInbox + ".>")
	token, user, err := i.user("plumbline-operator", may, func(*jwt.UserClaims) {})
	if err != nil {
		return nil, err
	}
	return nats.UserJWT(func() (string, error) { return token, nil }, user.Sign), nil
}

// user makes a user with permissions, which limit may restrict further, and returns its signed token and its key.
func (i *Issuer) user(
	name string, may jwt.Permissions, limit func(*jwt.UserClaims),
) (token string, user nkeys.KeyPair, err error) {
	user, err = nkeys.CreateUser()
	if err != nil {
		return "", nil, fmt.Errorf("make a NATS user: %w", err)
	}
	public, err := user.PublicKey()
	if err != nil {
		return "", nil, fmt.Errorf("make a NATS user: %w", err)
	}
	claims := jwt.NewUserClaims(public)
	claims.Name = name
	claims.Permissions = may
	limit(claims)
	if signer, err := i.signing.PublicKey(); err == nil && signer != i.account {
		claims.IssuerAccount = i.account
	}
	if token, err = claims.Encode(i.signing); err != nil {
		return "", nil, fmt.Errorf("sign a NATS user: %w", err)
	}
	return token, user, nil
}
