package dataset_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"plumbline.dev/plumbline/dataset"
	"plumbline.dev/plumbline/dataset/synth"
)

// BenchmarkSet measures what an attempt spends on its data when it starts: hashing every file (Load), and
// then decoding and resizing (Pack) or reading the cache instead. The figures in docs/benchmarks.md are
// those of sets that `plumb dataset synth` made. PLUMBLINE_SET names the set's directory; without it the
// benchmark makes a small set.
func BenchmarkSet(b *testing.B) {
	dir := os.Getenv("PLUMBLINE_SET")
	if dir == "" {
		dir = filepath.Join(b.TempDir(), "set")
		spec := synth.Spec{Samples: 30, Prevalence: 0.3, Size: 96, PackageSize: 15, Channels: synth.Lights()}
		if _, err := synth.Write(context.Background(), spec, dir, false, nil); err != nil {
			b.Fatal(err)
		}
	}
	set, err := dataset.Load(context.Background(), dir, "", nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			if _, err := dataset.Load(context.Background(), dir, "", nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, size := range []int{48, 224} {
		pack := func(b *testing.B, cache string, cached bool) {
			packed, err := set.PackCached(context.Background(), size, cache, nil)
			if err != nil || packed.Cached != cached {
				b.Fatalf("cached %v, %v", packed.Cached, err)
			}
			b.SetBytes(int64(len(packed.Pixels)))
		}
		b.Run(fmt.Sprintf("pack-%d", size), func(b *testing.B) {
			for b.Loop() {
				pack(b, "", false)
			}
		})
		b.Run(fmt.Sprintf("pack-%d-and-keep", size), func(b *testing.B) {
			for b.Loop() {
				pack(b, b.TempDir(), false)
			}
		})
		cache := b.TempDir()
		b.Run(fmt.Sprintf("cached-%d", size), func(b *testing.B) {
			if _, err := set.PackCached(context.Background(), size, cache, nil); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				pack(b, cache, true)
			}
		})
	}
}
