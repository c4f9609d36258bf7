package credential

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// CertificateYears is how long a certificate of ours is good for. A run's pods keep the authority that the operator
// knew when the run began, so that to replace it is to cut off the runs that are active: it must not be something that
// falls due.
const CertificateYears = 10

// Certificate is a NATS server's, with what clients trust it by. All three are PEM.
type Certificate struct{ Authority, Certificate, Key []byte }

// NewCertificate makes a certificate for the names and addresses that clients know a server by, signed by an authority
// of its own. The authority's key is in no result: nobody can ever sign another with it.
func NewCertificate(hosts []string, now time.Time) (Certificate, error) {
	end := now.AddDate(CertificateYears, 0, 0)
	authority := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Plumbline NATS authority"}, SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: end,
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Plumbline NATS"}, SerialNumber: big.NewInt(2), NotBefore: authority.NotBefore, NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			server.IPAddresses = append(server.IPAddresses, ip)
		} else {
			server.DNSNames = append(server.DNSNames, h)
		}
	}
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Certificate{}, fmt.Errorf("make a key: %w", err)
	}
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Certificate{}, fmt.Errorf("make a key: %w", err)
	}
	signedAuthority, err := x509.CreateCertificate(rand.Reader, authority, authority, &authorityKey.PublicKey, authorityKey)
	if err != nil {
		return Certificate{}, fmt.Errorf("sign an authority: %w", err)
	}
	signedServer, err := x509.CreateCertificate(rand.Reader, server, authority, &serverKey.PublicKey, authorityKey)
	if err != nil {
		return Certificate{}, fmt.Errorf("sign a certificate for %v: %w", hosts, err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		return Certificate{}, fmt.Errorf("write a key: %w", err)
	}
	return Certificate{Authority: inPEM("CERTIFICATE", signedAuthority), Certificate: inPEM("CERTIFICATE", signedServer), Key: inPEM("PRIVATE KEY", key)}, nil
}

func inPEM(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
