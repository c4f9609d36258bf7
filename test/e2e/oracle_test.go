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

// told is what the oracle reads of a report: its own words, not the wire package's, so that a mistake there is not repeated here.
type told struct {
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

// streamOf reads every message of a run from the stream, as anybody with the administrator's credential could.
func streamOf(t *testing.T, runUID string) []told {
	t.Helper()
	url, err := os.ReadFile(filepath.Join(cluster.state, "nats", "url"))
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(strings.TrimSpace(string(url)), nats.UserCredentials(filepath.Join(cluster.state, "nats", "admin.creds")))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // clean-ups read it too
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
	var reports []told
	for uint64(len(reports)) < want {
		m, err := c.Next(jetstream.FetchContext(ctx))
		if err != nil {
			t.Fatalf("read the stream after %d of %d reports: %v", len(reports), want, err)
		}
		var r told
		if err := json.Unmarshal(m.Data(), &r); err != nil {
			t.Fatalf("a report that is no JSON: %v", err)
		}
		reports = append(reports, r)
	}
	return reports
}

// pick is selection's rule, written down a second time from the design: of all epochs with a committed checkpoint the highest
// AUC-PR; at equal values the smaller depth; then the earlier epoch. (The runs here set no tie margin and no least value.)
func pick(reports []told) (best told, ok bool) {
	var candidates []told
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
		return a.Attempt > b.Attempt // what a later attempt wrote again, or found whole
	})
	if len(candidates) == 0 {
		return told{}, false
	}
	return candidates[0], true
}

// countDistinct counts the reports that say something of their own: one that repeats another writer's is the same report.
func countDistinct(reports []told) int {
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
