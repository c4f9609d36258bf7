package outbox

import (
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// refusal says in words what waiting alone will not cure: the file that is wrong, and the way out. It is empty for everything else,
// such as a server that is away, and it stays the same while the problem does.
func (s *Sender) refusal(err error) string {
	if s.conn != nil { // what a request sees of it is a timeout
		if last := s.conn.LastError(); last != nil && (!s.conn.IsConnected() || errors.Is(last, nats.ErrPermissionViolation)) {
			err = last
		}
	}
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var other x509.HostnameError
	url, credentials, ca := s.cfg.Reports.URL, s.cfg.Reports.Credentials, s.cfg.Reports.CA
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked), errors.Is(err, nats.ErrAccountAuthExpired):
		return fmt.Sprintf("NATS at %s refuses the run's credential %s: it has expired, was revoked, or is of another installation; a new one in the run's Secret is taken at once", url, credentials)
	case errors.Is(err, nats.ErrPermissionViolation):
		return fmt.Sprintf("the run's credential %s does not permit what is asked of NATS at %s: %v", credentials, url, err)
	case errors.As(err, &unknown) && ca == "":
		return fmt.Sprintf("NATS at %s has a certificate of an authority that this image does not know, and none was given (the operator's --nats-ca)", url)
	case errors.As(err, &unknown):
		return fmt.Sprintf("NATS at %s has a certificate that the authority in %s did not sign: it was replaced after the run began, or the server is another", url, ca)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired: // the error itself tells the time
		return fmt.Sprintf("NATS at %s has a certificate that has expired or is not valid yet", url)
	case errors.As(err, &invalid):
		return fmt.Sprintf("NATS at %s has a certificate that is not good: %v", url, invalid)
	case errors.As(err, &other):
		return fmt.Sprintf("NATS at %s has a certificate that is not good: %v", url, other)
	}
	return ""
}
