package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/nats-io/nats.go"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/credential"
	"plumbline.dev/plumbline/operator/ingest"
	"plumbline.dev/plumbline/operator/natskeys"
	"plumbline.dev/plumbline/operator/natstest"
	"plumbline.dev/plumbline/wire"
)

// The test starts the NATS server as the chart's pod starts it: with the same files at the paths of the pod's mounts,
// the same environment and arguments, and with the keys that the hook Job makes with the chart's arguments. Only the
// addresses differ.
func TestTheChartsServerSpeaksTLS(t *testing.T) {
	c := renderChart(t, "image.repository=registry.example.com/plumbline-operator,nats.tls.enabled=true")
	keys := c.secrets(t)
	url := c.start(t, keys)
	authority := keys["plumbline-nats-tls"][natskeys.AuthorityFile]
	account := keys["plumbline-nats-account"]
	issuer, err := credential.New(account[natskeys.SigningKeyFile], string(account[natskeys.AccountFile]))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		t.Fatalf("no certificate in %q", authority)
	}
	trust := nats.Secure(&tls.Config{RootCAs: roots})

	t.Run("the server answers nobody without TLS", func(t *testing.T) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "tls://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(time.Minute))
		lines := bufio.NewReader(conn)
		if hello, err := lines.ReadString('\n'); err != nil || !strings.Contains(hello, `"tls_required":true`) {
			t.Errorf("the server says %q, %v", hello, err)
		}
		fmt.Fprint(conn, "CONNECT {}\r\nPING\r\n")
		answer, err := lines.ReadString('\n')
		if strings.Contains(answer, "PONG") || err == nil && !strings.Contains(answer, "ERR") {
			t.Errorf("the server answers %q, %v", answer, err)
		}
	})
	t.Run("nobody connects without a credential", func(t *testing.T) {
		if _, err := nats.Connect(url, trust); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a trial reports with its run's credential, and the operator reads the report", func(t *testing.T) {
		reports := c.operator(t, issuer, roots, url, 1<<30)
		await(t, "the stream is read", func() bool { return reports.Stream().Connected && reports.Stream().Current })
		const uid = "11111111-aaaa"
		creds, err := issuer.Run(uid)
		if err != nil {
			t.Fatal(err)
		}
		inbox := nats.CustomInboxPrefix(wire.InboxPrefix(uid))
		nc, err := nats.Connect(url, trust, nats.UserCredentialBytes(creds), inbox)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		next := reports.Stream().Next
		if _, err := nc.Request(wire.Subject(uid, "d18", 1), []byte("{}"), time.Minute); err != nil {
			t.Fatal(err)
		}
		await(t, "the report is read", func() bool { return reports.Stream().Next > next })
	})
	t.Run("a stream that is larger than the server's store is refused, and the problem says why", func(t *testing.T) {
		reports := c.operator(t, issuer, roots, url, 9_000_000_000) // nats.storage.maxFile is 8GB
		const problem = "refuses the stream PLUMBLINE: insufficient storage resources available"
		await(t, "the problem says so", func() bool { return strings.HasSuffix(reports.Stream().Problem, problem) })
	})
}

// chart holds the objects of a rendered chart that make its NATS server.
type chart struct {
	config corev1.ConfigMap
	server appsv1.StatefulSet
	keys   batchv1.Job
}

func renderChart(t *testing.T, set string) chart {
	t.Helper()
	cmd := exec.Command("go", "tool", "-modfile=hack/tools/go.mod", "helm", "template", "plumbline", "charts/plumbline",
		"--namespace", "ps", "--kube-version", "1.34.0", "--set", set)
	cmd.Dir = ".."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	manifests, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, stderr.String())
	}
	var c chart
	into := map[string]any{
		"ConfigMap plumbline-nats-config": &c.config,
		"StatefulSet plumbline-nats":      &c.server,
		"Job plumbline-nats-keys":         &c.keys,
	}
	for _, doc := range bytes.Split(manifests, []byte("\n---\n")) {
		var o metav1.PartialObjectMetadata
		if err := yaml.Unmarshal(doc, &o); err != nil {
			t.Fatal(err)
		}
		if to := into[o.Kind+" "+o.Name]; to != nil {
			if err := yaml.UnmarshalStrict(doc, to); err != nil {
				t.Fatal(err)
			}
			delete(into, o.Kind+" "+o.Name)
		}
	}
	if len(into) > 0 {
		t.Fatalf("the chart lacks %v", slices.Collect(maps.Keys(into)))
	}
	return c
}

// secrets returns the data of the Secrets that the hook Job makes, by the Secret's name.
func (c chart) secrets(t *testing.T) map[string]map[string][]byte {
	t.Helper()
	cmd := natskeys.Command()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs(append(c.keys.Spec.Template.Spec.Containers[0].Args[1:], "--print"))
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	return natstest.ReadSecrets(t, out.Bytes())
}

// start writes the pod's volumes into a directory, starts the server on them, and returns its URL.
func (c chart) start(t *testing.T, secrets map[string]map[string][]byte) (url string) {
	t.Helper()
	root, pod := t.TempDir(), c.server.Spec.Template.Spec
	here := strings.NewReplacer("0.0.0.0:4222", "127.0.0.1:-1", "0.0.0.0:8222", "127.0.0.1:-1")
	write := func(path, data string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(here.Replace(data)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	container := pod.Containers[0]
	for _, mount := range container.VolumeMounts {
		dir := filepath.Join(root, mount.MountPath)
		for _, v := range pod.Volumes {
			if v.Name != mount.Name {
				continue
			}
			if v.Secret != nil {
				for _, item := range v.Secret.Items {
					write(filepath.Join(dir, item.Path), string(secrets[v.Secret.SecretName][item.Key]))
				}
				continue
			}
			for _, source := range v.Projected.Sources {
				if source.ConfigMap != nil {
					for name, data := range c.config.Data {
						write(filepath.Join(dir, name), data)
					}
				} else {
					for name, data := range secrets[source.Secret.Name] {
						write(filepath.Join(dir, name), string(data))
					}
				}
			}
		}
	}
	for _, e := range container.Env {
		value := e.Value
		if strings.HasPrefix(value, "/") {
			value = filepath.Join(root, value)
		}
		if e.ValueFrom != nil {
			value = "plumbline-nats-0"
		}
		t.Setenv(e.Name, value)
	}
	return natstest.FromFile(t, filepath.Join(root, container.Args[1]))
}

// operator starts to read the server's stream as the operator does, until the test ends.
func (c chart) operator(
	t *testing.T, issuer *credential.Issuer, roots *x509.CertPool, url string, maxBytes int64,
) *ingest.Ingest {
	t.Helper()
	signIn, err := issuer.Operator()
	if err != nil {
		t.Fatal(err)
	}
	g := ingest.New(ingest.Options{
		URL:        url,
		Credential: signIn,
		Inbox:      credential.OperatorInbox,
		TLS:        &tls.Config{RootCAs: roots},
		MaxAge:     time.Hour,
		MaxBytes:   maxBytes,
		Runs:       func(context.Context) ([]api.TrainingRun, error) { return nil, nil },
	}, logr.Discard())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return g
}

// await waits until holds returns true, for at most a minute.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}
