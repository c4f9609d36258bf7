package ledger

import (
	"fmt"
	"testing"

	"plumbline.dev/plumbline/operator/reporttest"
	"plumbline.dev/plumbline/wire"
)

// A pod that makes up writers and sequences cannot make the operator use more than a bounded amount of memory.
// Heartbeats cost no memory.
func TestMemoryIsBounded(t *testing.T) {
	l := New()
	honest := &reporttest.Writer{Attempt: 1, Pod: "p"}
	for range 10_000 {
		l.Fold(honest.Report(wire.ReportHeartbeat, 1))
	}
	d18 := l.trials["d18"]
	if n := len(*d18.origins["d18-a1-p"]); n != 1 || d18.view.Folded != 10_000 {
		t.Errorf("10,000 heartbeats are kept as %d ranges, and %d were counted", n, d18.view.Folded)
	}
	foldMany := func(change func(*wire.Report, int)) (refused int) {
		for i := range 5000 {
			r := honest.Report(wire.ReportHeartbeat, 1)
			change(&r, i)
			if l.ExceedsBounds(r) {
				refused++
			} else {
				l.Fold(r)
			}
		}
		return refused
	}
	if n := foldMany(func(r *wire.Report, i int) {
		r.ComputedBy = &wire.Origin{Writer: fmt.Sprint("d18-a1-", i), Sequence: 1}
	}); n < 3900 {
		t.Errorf("of 5000 made-up writers %d were refused", n)
	}
	if n := foldMany(func(r *wire.Report, i int) {
		r.ComputedBy = &wire.Origin{Writer: "d18-a1-p", Sequence: 20_000 + 2*int64(i)}
	}); n < 3900 {
		t.Errorf("of 5000 holes %d were refused", n)
	}
}

// spans must agree with a plain set.
func FuzzSpans(f *testing.F) {
	f.Add([]byte{1, 2, 3, 5, 4, 200, 7, 7})
	f.Fuzz(func(t *testing.T, in []byte) {
		var s spans
		set := map[int64]bool{}
		highest := int64(0)
		for _, b := range in {
			n := int64(b) + 1
			if s.add(n) == set[n] {
				t.Fatalf("add(%d) after %v: %v", n, in, s)
			}
			set[n], highest = true, max(highest, n)
			if got, want := s.gaps(), highest-int64(len(set)); got != want {
				t.Fatalf("%v has %d gaps, want %d", s, got, want)
			}
		}
		for i := 1; i < len(s); i++ {
			if s[i].first <= s[i-1].last+1 {
				t.Fatalf("%v touch", s)
			}
		}
	})
}
