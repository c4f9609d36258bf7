package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// identity describes the holder of one certificate.
type identity struct {
	file   string // name of the certificate's files, without ending
	name   string
	groups []string
	serves bool // the holder is a server too, not only a client
}

// identities lists the holders of certificates. The API server's authorizers, Node and
// RBAC, decide by name and groups: they know system:nodes, system:kube-scheduler and so on.
var identities = []identity{
	{file: "etcd", name: "etcd", serves: true},
	{file: "etcd-client", name: "kube-apiserver-etcd-client"},
	{file: "apiserver", name: "kube-apiserver", serves: true},
	{file: "apiserver-kubelet-client", name: KubeletClientName, groups: []string{"system:masters"}},
	{file: "controller-manager", name: "system:kube-controller-manager", serves: true},
	{file: "scheduler", name: "system:kube-scheduler", serves: true},
	{file: "kubelet", name: "system:node:" + NodeName, groups: []string{"system:nodes"}, serves: true},
	{file: "admin", name: "localcluster-admin", groups: []string{"system:masters"}},
}

// KubeletClientName is the name in the certificate that the API server shows to the node.
const KubeletClientName = "kube-apiserver-kubelet-client"

// EnsureCertificates makes the certificate authority, the certificates and the key that
// signs service account tokens, unless they exist.
func (c *Cluster) EnsureCertificates() error {
	if _, err := os.Stat(c.Cert("ca")); errors.Is(err, os.ErrNotExist) {
		if err := c.makeAuthority(); err != nil {
			return err
		}
	}
	ca, err := tls.LoadX509KeyPair(c.Cert("ca"), c.Key("ca"))
	if err != nil {
		return fmt.Errorf("read the certificate authority: %w", err)
	}
	for _, id := range identities {
		if _, err := os.Stat(c.Cert(id.file)); err == nil {
			continue
		}
		if err := c.issue(ca, id); err != nil {
			return fmt.Errorf("issue certificate %s: %w", id.file, err)
		}
	}
	if _, err := os.Stat(c.Path("pki", "sa.pub")); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	pub, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	if err := writeKey(c.Key("sa"), key); err != nil {
		return err
	}
	return WriteFile(c.Path("pki", "sa.pub"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub}))
}

// Cert returns the path of a certificate, in PEM.
func (c *Cluster) Cert(name string) string { return c.Path("pki", name+".crt") }

// Key returns the path of a certificate's private key, in PEM.
func (c *Cluster) Key(name string) string { return c.Path("pki", name+".key") }

func (c *Cluster) makeAuthority() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	t := template("localcluster-ca-" + c.Config.ID)
	t.IsCA = true
	t.BasicConstraintsValid = true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return fmt.Errorf("make the certificate authority: %w", err)
	}
	if err := writeKey(c.Key("ca"), key); err != nil {
		return err
	}
	return writeCert(c.Cert("ca"), der)
}

func (c *Cluster) issue(ca tls.Certificate, id identity) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	t := template(id.name)
	t.Subject.Organization = id.groups
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if id.serves {
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
		t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		t.DNSNames = []string{"localhost"}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, ca.Leaf, key.Public(), ca.PrivateKey)
	if err != nil {
		return err
	}
	if err := writeKey(c.Key(id.file), key); err != nil {
		return err
	}
	return writeCert(c.Cert(id.file), der)
}

func template(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // never fails
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour), // still valid when the clock is set back a little
		NotAfter:     time.Now().AddDate(10, 0, 0),
	}
}

func writeCert(path string, der []byte) error {
	return WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}
