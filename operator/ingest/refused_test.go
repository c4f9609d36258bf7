package ingest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "plumbline.dev/plumbline/api/v1alpha1"
	"plumbline.dev/plumbline/operator/attempt"
	"plumbline.dev/plumbline/operator/credential"
	"plumbline.dev/plumbline/operator/natstest"
	"plumbline.dev/plumbline/operator/plan"
	"plumbline.dev/plumbline/wire"
)

// What a real server refuses ends in words that name the way out.

func TestAnOperatorOfAnotherAccount(t *testing.T) {
	s, other := natstest.Start(t), natstest.Start(t)
	issuer, err := credential.New(other.Seed, other.Account)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, server: s, issuer: issuer}
	b.start()
	b.problem("--nats-signing-key and --nats-account must be of the account that the server knows")
}

func TestAnOperatorThatWasRevoked(t *testing.T) {
	b := newBench(t)
	revoked := b.server.Revoke()
	b.problem("credentials were revoked since the operator was started, and it signs another when it is restarted")
	b.server.Down()
	b.problem("cannot be reached")
	b.server.Up()
	b.problem("credentials were revoked since the operator was started, and it signs another when it is restarted")
	b.until("a credential that is signed now is a newer one", func() bool { return time.Now().Unix() > revoked.Unix() })
	b.restart()
	b.until("the stream is read", func() bool { return b.ingest.Stream().Connected })
}

// Of the errors that say more than that it is refused, each has its own way out.
func TestWhatIsSaidOfARefusal(t *testing.T) {
	for refusal, want := range map[error]string{
		nats.ErrAuthorization:      "--nats-signing-key",
		nats.ErrAuthRevoked:        "restart the operator",
		nats.ErrAuthExpired:        "restart the operator",
		nats.ErrAccountAuthExpired: "the account needs another JWT",
	} {
		if got := (Options{URL: "nats://nats:4222"}).describe(refusal); !strings.Contains(got, want) || refusal != nats.ErrAuthorization && strings.Contains(got, "--nats-") {
			t.Errorf("%v: %s", refusal, got)
		}
	}
}

// The server does not tell the operator that it turns a pod away: it shows as a trial that runs and is not heard.
func TestARunsCredentialThatWasRevoked(t *testing.T) {
	b := newBench(t)
	stale, err := b.issuer.Run(uid)
	if err != nil {
		t.Fatal(err)
	}
	b.send(b.pod.report(wire.Started, 0), b.pod.epoch(1, 0.7, true))
	b.until("both are read", func() bool { return b.trial().Folded == 2 })
	revoked := b.server.Revoke()
	b.until("a credential that is signed now is a newer one", func() bool { return time.Now().Unix() > revoked.Unix() })
	b.restart()
	b.until("the operator reads with its new one", func() bool { return b.ingest.Stream().Connected && b.ingest.Stream().Current })
	if nc, err := nats.Connect(b.server.URL(), nats.UserCredentialBytes(stale)); !errors.Is(err, nats.ErrAuthorization) {
		nc.Close()
		t.Fatalf("the server lets the pod in: %v", err)
	}
	now := time.Now()
	b.healthAt(now, "ReportsArrive", "")
	b.healthAt(now.Add(10*time.Minute), "TrialsSilent", "d18")
	b.send(b.pod.epoch(2, 0.8, true)) // with a new one
	b.until("its next report is read", func() bool { return b.trial().Folded == 3 })
	b.healthAt(now, "ReportsArrive", "")
}

func (b *bench) problem(words string) {
	b.t.Helper()
	b.until("it says that "+words, func() bool {
		s := b.ingest.Stream()
		return !s.Connected && strings.Contains(s.Problem, words)
	})
}

// healthAt is what MetricsHealthy of the run comes to, while its pod runs.
func (b *bench) healthAt(now time.Time, reason, words string) {
	b.t.Helper()
	run, started := b.run.DeepCopy(), metav1.Now()
	run.Status.StartTime, run.Status.Trials[0].Phase = &started, api.TrialRunning
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: attempt.JobName(run.Name, "d18", 1), UID: "job"}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", OwnerReferences: []metav1.OwnerReference{{UID: job.UID}}}, Status: corev1.PodStatus{Phase: corev1.PodRunning}}
	p := plan.Make(plan.Input{Run: run, Cluster: attempt.Cluster{Jobs: []*batchv1.Job{job}, Pods: []*corev1.Pod{pod}}, Stream: b.ingest.Stream(), Reports: b.ingest.Reports(uid), Now: now})
	c := meta.FindStatusCondition(p.Status.Conditions, api.ConditionMetricsHealthy)
	if c == nil || c.Reason != reason || !strings.Contains(c.Message, words) {
		b.t.Errorf("MetricsHealthy is %+v, want %s with %q", c, reason, words)
	}
}
