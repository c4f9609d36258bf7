package dataset

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func loaded(t *testing.T, f files) *Set {
	t.Helper()
	s, err := Load(context.Background(), f.write(t), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func packedInto(t *testing.T, s *Set, dir string) Packed {
	t.Helper()
	packed, err := s.PackCached(context.Background(), 4, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

// fileNames returns the names of the files in dir.
func fileNames(t *testing.T, dir string) (found []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	return found
}

func TestSecondPackReadsTheCache(t *testing.T) {
	f := goodSet()
	dir, cache := f.write(t), filepath.Join(t.TempDir(), "made", "here")
	s, err := Load(context.Background(), dir, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	first := packedInto(t, s, cache)
	if first.Cached || first.Warning != "" || first.File == "" {
		t.Errorf("the first: %+v", first)
	}
	if err := os.RemoveAll(filepath.Join(dir, "images")); err != nil {
		t.Fatal(err)
	}
	second := packedInto(t, s, cache)
	if diff := cmp.Diff(Packed{Pixels: first.Pixels, File: first.File, Cached: true}, second); diff != "" {
		t.Error(diff)
	}
	if got := fileNames(t, cache); len(got) != 1 || got[0] != filepath.Base(first.File) {
		t.Errorf("the cache holds %v", got)
	}
}

func TestNothingIsCachedWithoutADirectory(t *testing.T) {
	s := loaded(t, goodSet())
	want, err := s.Pack(context.Background(), 4, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Packed{Pixels: want}, packedInto(t, s, "")); diff != "" {
		t.Error(diff)
	}
}

func TestCacheKeyCoversEverythingThatPixelsDependOn(t *testing.T) {
	change := func(name, from, to string) func(f files) {
		return func(f files) { f[name] = bytes.Replace(f[name], []byte(from), []byte(to), 1) }
	}
	anotherOrder := change("labels.csv",
		"e1,normal,p1,1\ne2,defect,p1,2\n",
		"e2,defect,p1,2\ne1,normal,p1,1\n")
	for name, c := range map[string]struct {
		change func(f files)
		size   int
		same   bool
	}{
		"the same set":     {func(files) {}, 4, true},
		"another label":    {change("labels.csv", "e5,normal", "e5,defect"), 4, true},
		"another size":     {func(files) {}, 5, false},
		"another image":    {func(f files) { f["images/AM/p2.png"] = f["images/GRAY/p2.png"] }, 4, false},
		"another order":    {anotherOrder, 4, false},
		"fewer samples":    {change("labels.csv", "e6,defect,p3,2\n", ""), 4, false},
		"another cell":     {change("labels.csv", "e6,defect,p3,2\n", "e6,defect,p3,3\n"), 4, false},
		"channels swapped": {change("dataset.yaml", "[AM, GRAY]", "[GRAY, AM]"), 4, false},
		"another range":    {change("dataset.yaml", "4095", "65535"), 4, false},
		"another grid":     {change("dataset.yaml", "columns: 3", "columns: 4"), 4, false},
	} {
		t.Run(name, func(t *testing.T) {
			base := func() files {
				f := gridSet()
				f["dataset.yaml"] = []byte("name: erasers\nchannels: [AM, GRAY]\n" +
					"range16: {min: 0, max: 4095}\ngrid: {rows: 1, columns: 3}\n")
				return f
			}
			f := base()
			c.change(f)
			before, after := loaded(t, base()).cacheKey(4), loaded(t, f).cacheKey(c.size)
			if same := before == after; same != c.same {
				t.Errorf("the same key: %v", same)
			}
		})
	}
}

func TestAnExcludedSampleIsNotInTheCache(t *testing.T) {
	f := goodSet()
	digests := digestsOf(t, f.write(t))
	f["c.csv"] = []byte(correctionHead + "e3," + digests["e3"] + ",normal,exclude,r,ada,2026-11-20\n")
	f["keep.csv"] = []byte(correctionHead + "e3," + digests["e3"] + ",normal,defect,r,ada,2026-11-20\n")
	dir, cache := f.write(t), t.TempDir()
	packs := func(overlay string) Packed {
		s, err := Load(context.Background(), dir, overlay, nil)
		if err != nil {
			t.Fatal(err)
		}
		return packedInto(t, s, cache)
	}
	all := packs("")
	if without := packs(dir + "/c.csv"); without.Cached || len(without.Pixels) != 5*4*4*2 {
		t.Errorf("cached %v, %d bytes", without.Cached, len(without.Pixels))
	}
	if relabelled := packs(dir + "/keep.csv"); !relabelled.Cached || !bytes.Equal(relabelled.Pixels, all.Pixels) {
		t.Error("a correction that changes a label was not read from the same cache file")
	}
}

func TestAnUnusableCacheFileIsReplacedWithAWarning(t *testing.T) {
	for name, c := range map[string]struct {
		damaged func(content []byte) []byte
		want    string
	}{
		"a pixel that changed": {
			damaged: func(content []byte) []byte {
				content[len(content)-7] ^= 4
				return content
			},
			want: "is damaged: its checksum does not match",
		},
		"a truncated file": {
			damaged: func(content []byte) []byte { return content[:len(content)-1] },
			want:    "has 279 bytes instead of 280",
		},
		"a file with one byte more": {
			damaged: func(content []byte) []byte { return append(content, 0) },
			want:    "has 281 bytes instead of 280",
		},
		"an empty file": {
			damaged: func([]byte) []byte { return nil },
			want:    "holds no packed images",
		},
		"a text file": {
			damaged: func([]byte) []byte { return []byte("milk, bread") },
			want:    "holds no packed images",
		},
		"the cache of another set": {
			damaged: func(content []byte) []byte {
				content[len(cacheMagic)] ^= 1
				return content
			},
			want: "was made from other images, or for another size or version",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, cache := loaded(t, goodSet()), t.TempDir()
			first := packedInto(t, s, cache)
			content, err := os.ReadFile(first.File)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(first.File, c.damaged(content), 0o644); err != nil {
				t.Fatal(err)
			}
			want := Packed{
				Pixels:  first.Pixels,
				File:    first.File,
				Warning: "the images were decoded again because the cache file " + first.File + " " + c.want,
			}
			if diff := cmp.Diff(want, packedInto(t, s, cache)); diff != "" {
				t.Error(diff)
			}
			if again := packedInto(t, s, cache); !again.Cached || again.Warning != "" {
				t.Errorf("after the cache file was written again: %+v", again)
			}
		})
	}
}

// The same happens on a full disk.
func TestPackSucceedsWhenTheCacheCannotBeWritten(t *testing.T) {
	s := loaded(t, goodSet())
	want, err := s.Pack(context.Background(), 4, nil)
	if err != nil {
		t.Fatal(err)
	}
	occupied := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(occupied, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	got := packedInto(t, s, occupied)
	const notCached = "the decoded images could not be cached: "
	if !bytes.Equal(got.Pixels, want) || got.File != "" || !strings.Contains(got.Warning, notCached) {
		t.Errorf("file %q, warning %q", got.File, got.Warning)
	}

	cache := t.TempDir()
	file := packedInto(t, s, cache).File
	if err := errors.Join(os.Remove(file), os.MkdirAll(filepath.Join(file, "x"), 0o755)); err != nil {
		t.Fatal(err)
	}
	got = packedInto(t, s, cache)
	if !bytes.Equal(got.Pixels, want) || !strings.Contains(got.Warning, "is a directory, not a file; "+notCached) {
		t.Errorf("warning %q", got.Warning)
	}
	if found := fileNames(t, cache); len(found) != 1 {
		t.Errorf("left behind: %v", found)
	}
}

func TestManyWritersMayRaceForOneCacheFile(t *testing.T) {
	s, cache := loaded(t, goodSet()), t.TempDir()
	want, err := s.Pack(context.Background(), 4, nil)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 4 {
				got, err := s.PackCached(context.Background(), 4, cache, nil)
				if err != nil || got.Warning != "" || !bytes.Equal(got.Pixels, want) {
					t.Errorf("warning %q, error %v", got.Warning, err)
				}
				os.Remove(got.File) // so that the next call writes the file again
			}
		})
	}
	group.Wait()
}

func TestPartialFilesOfKilledWritersAreDeleted(t *testing.T) {
	s, cache := loaded(t, goodSet()), t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{
		".packed-0a.partial-1": 2 * time.Hour,
		".packed-0a.partial-2": 0,
		"notes":                2 * time.Hour,
	} {
		path := filepath.Join(cache, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o644), os.Chtimes(path, now, now.Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	file := packedInto(t, s, cache).File
	want := []string{".packed-0a.partial-2", "notes", filepath.Base(file)}
	if diff := cmp.Diff(want, fileNames(t, cache)); diff != "" {
		t.Error(diff)
	}
}

// Otherwise the cache would hold the new images under the digest of the old ones.
func TestImagesThatChangedSinceLoadAreNotPacked(t *testing.T) {
	f := goodSet()
	dir, cache := f.write(t), t.TempDir()
	s, err := Load(context.Background(), dir, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "images/AM/e2.png"), f["images/AM/e1.png"], 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = s.PackCached(context.Background(), 4, cache, nil)
	const want = "the files of sample e2 have changed since the set was opened"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q in it", err, want)
	}
	if found := fileNames(t, cache); len(found) > 0 {
		t.Errorf("the cache holds %v", found)
	}
}

func TestPackCachedStopsWhenCancelled(t *testing.T) {
	s, cache := loaded(t, goodSet()), t.TempDir()
	packedInto(t, s, cache)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.PackCached(ctx, 4, cache, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func FuzzUnpack(f *testing.F) {
	s := &Set{Config: Config{Channels: []string{"AM"}}, Samples: []Sample{{ID: "e1"}}}
	key, pixels := s.cacheKey(2), []uint8{1, 2, 3, 4}
	whole := filepath.Join(f.TempDir(), "whole")
	if err := writePacked(whole, key, pixels); err != nil {
		f.Fatal(err)
	}
	content, err := os.ReadFile(whole)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add(content[:len(content)-1])
	f.Add(append(bytes.Clone(content), 5))
	f.Add([]byte(cacheMagic))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := unpack(context.Background(), bytes.NewReader(text), int64(len(text)), key, len(pixels))
		if (err == nil) != bytes.Equal(text, content) {
			t.Errorf("%d bytes: %v, %v", len(text), got, err)
		}
	})
}
