package e2e

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// rawReport holds the fields of a report that the oracle reads. It is declared here a second time, so that a mistake in
// package wire is not repeated.
type rawReport struct {
	Kind    string
	Trial   string
	Depth   int
	Attempt int
	Writer  string
	Epoch   int
	Metrics *struct{ AUCPR float64 }

	Sequence   int
	Checkpoint *struct{ URI, Digest string }
	ComputedBy *struct {
		Writer   string
		Sequence int
	}
}

// streamOf returns every report of a run that is in the stream. It reads with the administrator's credential.
func streamOf(t *testing.T, runUID string) []rawReport {
	t.Helper()
	url, err := os.ReadFile(filepath.Join(cluster.state, "nats", "url"))
	if err != nil {
		t.Fatal(err)
	}
	admin := nats.UserCredentials(filepath.Join(cluster.state, "nats", "admin.creds"))
	nc, err := nats.Connect(strings.TrimSpace(string(url)), admin)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	// The test's own context is done when its clean-ups run, and they read the stream too.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	stream, err := js.Stream(ctx, "PLUMBLINE")
	if err != nil {
		t.Fatal(err)
	}
	subject := "plumbline.v1." + runUID + ".>"
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(subject))
	if err != nil {
		t.Fatal(err)
	}
	var want uint64
	for _, n := range info.State.Subjects {
		want += n
	}
	c, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{FilterSubjects: []string{subject}})
	if err != nil {
		t.Fatal(err)
	}
	var reports []rawReport
	for uint64(len(reports)) < want {
		m, err := c.Next(jetstream.FetchContext(ctx))
		if err != nil {
			t.Fatalf("read the stream after %d of %d reports: %v", len(reports), want, err)
		}
		var r rawReport
		if err := json.Unmarshal(m.Data(), &r); err != nil {
			t.Fatalf("a report is not JSON: %v", err)
		}
		reports = append(reports, r)
	}
	return reports
}

// selectBest applies selection's rule, written a second time from the design: the best is the epoch with the highest
// AUC-PR among all epochs with a committed checkpoint. At equal values the smaller depth wins, then the earlier epoch.
// (These runs set no tie margin and no least value.) ok is false if no report names a checkpoint.
func selectBest(reports []rawReport) (best rawReport, ok bool) {
	var candidates []rawReport
	for _, r := range reports {
		if r.Metrics != nil && r.Checkpoint != nil {
			candidates = append(candidates, r)
		}
	}
	sort.SliceStable(candidates, func(i, j int) bool {
		a, b := candidates[i], candidates[j]
		if a.Metrics.AUCPR != b.Metrics.AUCPR {
			return a.Metrics.AUCPR > b.Metrics.AUCPR
		}
		if a.Depth != b.Depth {
			return a.Depth < b.Depth
		}
		if a.Epoch != b.Epoch {
			return a.Epoch < b.Epoch
		}
		return a.Attempt > b.Attempt // a later attempt has written the checkpoint again, or found it whole
	})
	if len(candidates) == 0 {
		return rawReport{}, false
	}
	return candidates[0], true
}

// countDistinct returns the number of different reports. A report that repeats another writer's counts as the same
// report.
func countDistinct(reports []rawReport) int {
	type key struct {
		writer   string
		sequence int
	}
	seen := map[key]bool{}
	for _, r := range reports {
		k := key{r.Writer, r.Sequence}
		if r.ComputedBy != nil {
			k = key{r.ComputedBy.Writer, r.ComputedBy.Sequence}
		}
		seen[k] = true
	}
	return len(seen)
}
