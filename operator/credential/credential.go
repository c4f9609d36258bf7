// Package credential makes NATS users. In the walk it stands beside the Jobs: before a run's first pod there is a
// Secret with a user that may send that run's reports and nothing else. NATS runs in operator mode, so that a user is a
// signed document that the server has never seen before: making one is arithmetic, not a request.
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

// Issuer signs users of one account.
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

// New takes the seed of a signing key (SA…) and the public key of its account (A…).
func New(seed []byte, account string) (*Issuer, error) {
	if !nkeys.IsValidPublicAccountKey(account) {
		return nil, fmt.Errorf("%q is not the public key of a NATS account: it begins with A", account)
	}
	signing, err := nkeys.FromSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("read the seed of a signing key: %w", err)
	}
	if public, err := signing.PublicKey(); err != nil || !nkeys.IsValidPublicAccountKey(public) {
		return nil, fmt.Errorf("the signing key is not an account's: its seed begins with SA")
	}
	return &Issuer{signing, account}, nil
}

// maxPayload is what one message of a run may take: a report and its headers.
const maxPayload = wire.MaxReportBytes + 4<<10

// Run is the credentials file of a run's pods: they may publish the run's reports and hear the acknowledgements. It
// does not expire: the operator could not renew it (docs/adr/0009).
func (i *Issuer) Run(uid string) ([]byte, error) {
	var may jwt.Permissions
	may.Pub.Allow.Add(wire.RunSubjects(uid))
	may.Sub.Allow.Add(wire.InboxPrefix(uid) + ".>")
	token, user, err := i.user("run "+uid, may, func(c *jwt.UserClaims) {
		c.Limits.Payload = maxPayload
		c.AllowedConnectionTypes.Add(jwt.ConnectionTypeStandard, jwt.ConnectionTypeWebsocket) // a leaf node could carry a whole network
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

// Operator signs the operator itself in, with a user that exists in memory only.
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

func (i *Issuer) user(name string, may jwt.Permissions, limit func(*jwt.UserClaims)) (token string, user nkeys.KeyPair, err error) {
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
