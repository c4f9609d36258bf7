package wire

import (
	"io"
	"strings"
	"testing"
)

func TestDigest(t *testing.T) {
	const want = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, appendix B.1
	if got := Digest([]byte("abc")); got != want {
		t.Errorf("Digest: got %s, want %s", got, want)
	}
	digester := NewDigester()
	if _, err := io.Copy(digester, io.MultiReader(strings.NewReader("a"), strings.NewReader("bc"))); err != nil {
		t.Fatal(err)
	}
	f := digester.File("abc.txt")
	if digester.Digest() != want || f.Digest() != want || f.Name != "abc.txt" || f.Size != 3 {
		t.Errorf("Digester: got %s, %+v, want %s", digester.Digest(), f, want)
	}
}
