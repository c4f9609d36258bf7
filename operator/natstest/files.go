package natstest

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// FromFile runs a server with a configuration file until the test ends, and returns its URL. The URL has the host
// localhost, for which the certificates of the tests are made.
func FromFile(t *testing.T, conf string) (url string) {
	t.Helper()
	o := must[*server.Options](t)(server.ProcessConfigFile(conf))
	o.NoSigs, o.NoLog = true, true
	s := must[*server.Server](t)(server.NewServer(o))
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("nats-server does not accept connections")
	}
	return strings.Replace(s.ClientURL(), "127.0.0.1", "localhost", 1)
}

// ReadSecrets reads the YAML documents that `nats-keys --print` writes, and returns the data of each Secret by the
// Secret's name.
func ReadSecrets(t *testing.T, documents []byte) map[string]map[string][]byte {
	t.Helper()
	all := map[string]map[string][]byte{}
	for _, document := range strings.Split(string(documents), "---\n")[1:] {
		var s corev1.Secret
		if err := yaml.UnmarshalStrict([]byte(document), &s); err != nil {
			t.Fatal(err)
		}
		all[s.Name] = s.Data
	}
	return all
}
