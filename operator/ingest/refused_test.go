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

// When a real server refuses the operator or a pod, the message says what to do.

func TestAnOperatorOfAnotherAccount(t *testing.T) {
	s, other := natstest.Start(t), natstest.Start(t)
	issuer, err := credential.New(other.Seed, other.Account)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, server: s, issuer: issuer}
	b.start()
	b.wantProblem("--nats-signing-key and --nats-account must be of the account that the server knows")
}

func TestAnOperatorThatWasRevoked(t *testing.T) {
	b := newBench(t)
	revoked := b.server.Revoke()
	const wayOut = "revoked after the operator started: restart the operator, and it signs a new credential"
	b.wantProblem(wayOut)
	b.server.Down()
	b.wantProblem("cannot be reached")
	b.server.Up()
	b.wantProblem(wayOut)
	b.untilAfter(revoked)
	b.restart()
	b.until("the stream is read", func() bool { return b.ingest.Stream().Connected })
}

// Each reason of a refusal that the server names has its own way out.
func TestEachRefusalNamesItsWayOut(t *testing.T) {
	for refusal, want := range map[error]string{
		nats.ErrAuthorization:      "--nats-signing-key",
		nats.ErrAuthRevoked:        "restart the operator",
		nats.ErrAuthExpired:        "restart the operator",
		nats.ErrAccountAuthExpired: "give the server a new JWT for the account",
	} {
		got := Options{URL: "nats://nats:4222"}.describe(refusal)
		flagsMayBeWrong := errors.Is(refusal, nats.ErrAuthorization)
		if !strings.Contains(got, want) || !flagsMayBeWrong && strings.Contains(got, "--nats-") {
			t.Errorf("%v: %s", refusal, got)
		}
	}
}

// The server does not report to the operator that it refuses a pod. The run shows a trial that runs and does not
// report.
func TestARunsCredentialThatWasRevoked(t *testing.T) {
	b := newBench(t)
	stale, err := b.issuer.Run(uid)
	if err != nil {
		t.Fatal(err)
	}
	b.send(b.pod.Report(wire.ReportStarted, 0), b.pod.Epoch(1, 0.7, true))
	b.until("both are read", func() bool { return b.trial().Folded == 2 })
	revoked := b.server.Revoke()
	b.untilAfter(revoked)
	b.restart()
	b.until("the operator reads with a new credential", func() bool {
		return b.ingest.Stream().Connected && b.ingest.Stream().Current
	})
	nc, err := nats.Connect(b.server.URL(), nats.UserCredentialBytes(stale))
	if !errors.Is(err, nats.ErrAuthorization) {
		nc.Close()
		t.Fatalf("the server accepts the pod's revoked credential: %v", err)
	}
	now := time.Now()
	b.wantHealthAt(now, "ReportsArrive", "")
	b.wantHealthAt(now.Add(10*time.Minute), "TrialsSilent", "d18")
	b.send(b.pod.Epoch(2, 0.8, true)) // with a new credential
	b.until("its next report is read", func() bool { return b.trial().Folded == 3 })
	b.wantHealthAt(now, "ReportsArrive", "")
}

// untilAfter waits for the next second after t: a revocation covers all credentials that were signed in its second.
func (b *bench) untilAfter(t time.Time) {
	b.t.Helper()
	b.until("the second of the revocation is over", func() bool { return time.Now().Unix() > t.Unix() })
}

// wantProblem waits until the stream's problem contains words.
func (b *bench) wantProblem(words string) {
	b.t.Helper()
	b.until("the problem says: "+words, func() bool {
		s := b.ingest.Stream()
		return !s.Connected && strings.Contains(s.Problem, words)
	})
}

// wantHealthAt does what wantHealth does, at another time and with a pod of the run that runs.
func (b *bench) wantHealthAt(now time.Time, reason, words string) {
	b.t.Helper()
	run, started := b.run.DeepCopy(), metav1.Now()
	run.Status.StartTime, run.Status.Trials[0].Phase = &started, api.TrialRunning
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: plan.JobName(run.Name, "d18", 1), UID: "job"}}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", OwnerReferences: []metav1.OwnerReference{{UID: job.UID}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning},
	}
	p := plan.Make(plan.Input{
		Run:     run,
		Cluster: attempt.Cluster{Jobs: []*batchv1.Job{job}, Pods: []*corev1.Pod{pod}},
		Stream:  b.ingest.Stream(),
		Reports: b.ingest.Reports(uid),
		Now:     now,
	})
	c := meta.FindStatusCondition(p.Status.Conditions, api.ConditionMetricsHealthy)
	if c == nil || c.Reason != reason || !strings.Contains(c.Message, words) {
		b.t.Errorf("MetricsHealthy is %+v, want %s with %q", c, reason, words)
	}
}
