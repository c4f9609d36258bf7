package outbox

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"
)

// Explanations of an error that does not end by waiting.
const (
	badCredential = "NATS at %s refuses the run's credential %s: it has expired, was revoked, or is of another " +
		"installation; put a new one into the run's Secret, and it is used at once"
	missingPermission = "the run's credential %s does not permit what the trial asks of NATS at %s: %v"
	unknownAuthority  = "NATS at %s has a certificate of an authority that this image does not know: " +
		"give the authority's certificate to the operator with --nats-ca"
	otherAuthority = "NATS at %s has a certificate that the authority in %s did not sign: " +
		"the certificate was replaced after the run began, or this is another server"
	expiredCertificate = "NATS at %s has a certificate that has expired or is not valid yet"
	badCertificate     = "NATS at %s has a certificate that is not valid: %v"
)

// refusal explains an error that waiting alone does not end: it names the file that is wrong and what to do. The text
// is empty for all other errors, such as an outage of the server, and does not change as long as the problem is the
// same.
func (s *Sender) refusal(err error) string {
	if s.conn != nil { // the request itself returns only a timeout
		last := s.conn.LastError()
		if last != nil && (!s.conn.IsConnected() || errors.Is(last, nats.ErrPermissionViolation)) {
			err = last
		}
	}
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var otherHost x509.HostnameError
	url, credentials, ca := s.cfg.Reports.URL, s.cfg.Reports.Credentials, s.cfg.Reports.CA
	isAny := func(targets ...error) bool {
		return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
	}
	switch {
	case isAny(nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired):
		return fmt.Sprintf(badCredential, url, credentials)
	case errors.Is(err, nats.ErrPermissionViolation):
		return fmt.Sprintf(missingPermission, credentials, url, err)
	case errors.As(err, &unknown) && ca == "":
		return fmt.Sprintf(unknownAuthority, url)
	case errors.As(err, &unknown):
		return fmt.Sprintf(otherAuthority, url, ca)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf(expiredCertificate, url) // without the error's text, which contains the present time
	case errors.As(err, &invalid):
		return fmt.Sprintf(badCertificate, url, invalid)
	case errors.As(err, &otherHost):
		return fmt.Sprintf(badCertificate, url, otherHost)
	}
	return ""
}
