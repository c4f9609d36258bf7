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

// CertificateYears is for how many years NewCertificate's certificates are valid. A run's pods keep the authority that
// the operator had when the run began, so a new authority cuts off the active runs. No installation should have to
// replace its authority because of a date.
const CertificateYears = 10

// Certificate is a NATS server's certificate. All fields are PEM.
type Certificate struct {
	Authority   []byte // the certificate of the authority, which clients must trust
	Certificate []byte
	Key         []byte // of Certificate
}

// NewCertificate returns a certificate for the host names and addresses of a server. A new authority signs it. The
// authority's key is thrown away, so nobody can ever sign another certificate with it.
func NewCertificate(hosts []string, now time.Time) (Certificate, error) {
	end := now.AddDate(CertificateYears, 0, 0)
	authority := &x509.Certificate{
		Subject:      pkix.Name{CommonName: "Plumbline NATS authority"},
		SerialNumber: big.NewInt(1),
		NotBefore:    now.Add(-time.Hour), // so that a client whose clock is a little slow accepts it
		NotAfter:     end,
		KeyUsage:     x509.KeyUsageCertSign,

		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
	server := &x509.Certificate{
		Subject:      pkix.Name{CommonName: "Plumbline NATS"},
		SerialNumber: big.NewInt(2),
		NotBefore:    authority.NotBefore,
		NotAfter:     end,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
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
	signedAuthority, err := x509.CreateCertificate(
		rand.Reader, authority, authority, &authorityKey.PublicKey, authorityKey)
	if err != nil {
		return Certificate{}, fmt.Errorf("sign an authority: %w", err)
	}
	signedServer, err := x509.CreateCertificate(
		rand.Reader, server, authority, &serverKey.PublicKey, authorityKey)
	if err != nil {
		return Certificate{}, fmt.Errorf("sign a certificate for %v: %w", hosts, err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		return Certificate{}, fmt.Errorf("encode a key: %w", err)
	}
	return Certificate{
		Authority:   inPEM("CERTIFICATE", signedAuthority),
		Certificate: inPEM("CERTIFICATE", signedServer),
		Key:         inPEM("PRIVATE KEY", key),
	}, nil
}

func inPEM(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
