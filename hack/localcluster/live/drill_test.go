package live

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"plumbline.dev/plumbline/hack/localcluster/proc"
)

// TestDrills kills every component in turn, and then the cluster's owner and its
// supervisor. It uses another cluster than TestNode, so that both run at the same time.
func TestDrills(t *testing.T) {
	t.Parallel()
	l := startLab(t)
	stream := publishBeforeKill(t, l)
	pod := l.awaitRunning(t, l.create(t, `
metadata: {name: lost}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: pod
    args: [pod, escape, /s/ready]`+probe))

	components := []string{"kube-scheduler", "kube-controller-manager", "nats", "etcd", "kube-apiserver", "node"}
	for _, name := range components {
		before := pidOf(t, l, name)
		if err := before.Signal(unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-before.Done()
		l.run(t, "start", name)
		if after := pidOf(t, l, name); after == before || !after.Alive() {
			t.Errorf("%s was not started again: %v", name, after)
		}
	}
	l.run(t, "up") // the controller manager may have exited while there was no API server
	l.run(t, "status")

	pod = l.awaitEnd(t, pod)
	if pod.Status.Reason != "NodeRestarted" || end(t, pod).ExitCode != 137 {
		t.Errorf("the pod that ran when the node was killed: %s", show(pod))
	}
	if left := proc.Marked(l.state.PodMarker()); len(left) > 0 {
		t.Errorf("%d processes of the killed pod still run", len(left))
	}
	next := l.awaitEnd(t, l.create(t, `
metadata: {name: next}
spec: {restartPolicy: Never, containers: [{name: main, image: sh, args: ["-c", "exit 0"]}]}
`))
	if next.Status.Phase != corev1.PodSucceeded {
		t.Errorf("a pod after the drills: %s", show(next))
	}
	readAfterKill(t, l, stream)

	escaped := l.awaitRunning(t, l.create(t, `
metadata: {name: escape}
spec:
  containers:
  - name: main
    image: pod
    args: [pod, escape, /s/ready]`+probe))
	if n := len(proc.Marked(l.state.PodMarker(string(escaped.UID)))); n != 2 {
		t.Errorf("the pod has %d processes, want 2: the program and its child in another session", n)
	}
	l.run(t, "down")
	if left := proc.Marked(l.state.Config.ID); len(left) > 0 {
		t.Errorf("down left %d processes", len(left))
	}
	ownerEnds(t, l)
}

// ownerEnds starts the cluster again with an owner, kills the owner, and checks that the
// cluster ends. Then it does the same with the supervisor.
func ownerEnds(t *testing.T, l *lab) {
	owner := exec.Command("/bin/sleep", "600")
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := proc.Lookup(owner.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	l.run(t, "up", "--owner-pid", strconv.Itoa(owner.Process.Pid))
	all := proc.Marked(l.state.Config.ID)
	if len(all) < 7 {
		t.Errorf("the cluster has %d processes, want the supervisor and six components", len(all))
	}
	if err := id.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	for _, p := range all {
		if !p.WaitGone(20 * time.Second) {
			t.Errorf("process %d outlived the owner", p.PID)
		}
	}
	// The worst case: the supervisor itself is killed, so that it cannot end the others.
	l.run(t, "up")
	all = proc.Marked(l.state.Config.ID)
	if err := pidOf(t, l, "supervisor").Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if !p.WaitGone(20 * time.Second) {
			t.Errorf("process %d outlived the supervisor", p.PID)
		}
	}
}

func pidOf(t *testing.T, l *lab, name string) proc.ID {
	t.Helper()
	id, err := proc.ReadPIDFile(l.state.PIDFile(name))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// publishBeforeKill makes a stream with one message and returns the stream's name.
func publishBeforeKill(t *testing.T, l *lab) string {
	t.Helper()
	nc := connect(t, l, filepath.Join(l.dir, "nats", "admin.creds"))
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream := jetstream.StreamConfig{Name: "R", Subjects: []string{"r.>"}}
	if _, err := js.CreateStream(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "r.a", []byte("before")); err != nil {
		t.Fatal(err)
	}
	return stream.Name
}

// readAfterKill checks that the message that was published before is still there. It also
// checks that a user with the credential of a run can publish on the run's subjects and on
// no other.
func readAfterKill(t *testing.T, l *lab, stream string) {
	t.Helper()
	nc := connect(t, l, filepath.Join(l.dir, "nats", "admin.creds"))
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := s.GetMsg(t.Context(), 1); err != nil || string(m.Data) != "before" {
		t.Errorf("the message after the kill: %v, %v", m, err)
	}
	run := connect(t, l, runCredentials(t, l), nats.CustomInboxPrefix("_INBOX_run"))
	rjs, err := jetstream.New(run)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rjs.Publish(t.Context(), "r.run.1", []byte("allowed")); err != nil {
		t.Errorf("a run's user cannot publish on its own subject: %v", err)
	}
	denied := make(chan error, 1)
	run.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err })
	if err := run.Publish("r.other", nil); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-denied:
		if !strings.Contains(strings.ToLower(err.Error()), "permissions violation") {
			t.Errorf("another run's subject: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("a run's user may publish on another run's subject")
	}
}

// runCredentials returns the path of a run's credentials. They are signed as Plumbline's
// operator signs them.
func runCredentials(t *testing.T, l *lab) string {
	t.Helper()
	seed, err := os.ReadFile(filepath.Join(l.dir, "nats", "account.nk"))
	if err != nil {
		t.Fatal(err)
	}
	account, err := os.ReadFile(filepath.Join(l.dir, "nats", "account.pub"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := nkeys.FromSeed(seed)
	if err != nil {
		t.Fatal(err)
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, _ := user.PublicKey()
	userSeed, _ := user.Seed()
	claims := jwt.NewUserClaims(public)
	claims.IssuerAccount = string(account)
	claims.Permissions.Pub.Allow.Add("r.run.>")
	claims.Permissions.Sub.Allow.Add("_INBOX_run.>")
	token, err := claims.Encode(signer)
	if err != nil {
		t.Fatal(err)
	}
	creds, err := jwt.FormatUserConfig(token, userSeed)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "run.creds")
	if err := os.WriteFile(file, creds, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func connect(t *testing.T, l *lab, creds string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(l.state.NATS(), append(opts, nats.UserCredentials(creds))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}
