package outbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"plumbline.dev/plumbline/wire"
)

// A trial accepts a certificate of the authority in the run's Secret, and explains what is wrong with another.
func TestTLS(t *testing.T) {
	certificate, ca := selfSigned(t)
	_, otherCA := selfSigned(t)
	i := newInstallation(t)
	i.stop()
	i.options.Port = server.RANDOM_PORT
	i.options.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
	i.options.TLS, i.options.TLSTimeout = true, 10
	i.start()
	i.options.Port = i.port()
	js := i.admin(nats.RootCAs(ca))
	createStream(t, js)
	creds := i.credentials(filepath.Join(t.TempDir(), "run.creds"), ofTheRun)
	for name, tc := range map[string]struct{ ca, want string }{
		"another authority": {otherCA, "has a certificate that the authority in " + otherCA + " did not sign"},
		"no authority":      {"", "has a certificate of an authority that this image does not know"},
	} {
		t.Run(name, func(t *testing.T) {
			b := startBench(t, wire.ReportSettings{URL: i.url(), Credentials: creds, CA: tc.ca})
			appendReports(t, b.spool, 1, 2)
			b.log.await(t, "reports are refused")
			b.log.await(t, tc.want)
		})
	}
	b := startBench(t, wire.ReportSettings{URL: i.url(), Credentials: creds, CA: ca})
	appendReports(t, b.spool, 1, 5)
	b.drain(t)
	if diff := cmp.Diff(upTo(5), stored(t, js)); diff != "" {
		t.Errorf("in the stream:\n%s", diff)
	}
}

// selfSigned returns a self-signed certificate for 127.0.0.1, and the path of a PEM file by which a client trusts it.
func selfSigned(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	signed, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.crt")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{signed}, PrivateKey: key}, file
}
