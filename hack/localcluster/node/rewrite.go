package node

import (
	"cmp"
	"slices"
	"strings"
)

// mount says where a path inside the container really is.
type mount struct {
	path string // as the pod knows it: absolute, clean, not /
	real string
}

// rewriter replaces mount paths by real ones in arguments and environment.
//
// A text is read once from left to right, so that a real path which happens to hold
// a mount path is not replaced again. A mount path counts only where a whole path
// begins (not within "x/data" or "s3://b/data") and only as whole elements (not as
// the beginning of "/data-old"). At each place the longest mount path wins.
type rewriter struct{ mounts []mount }

func newRewriter(mounts []mount) rewriter {
	byLength := slices.Clone(mounts)
	slices.SortStableFunc(byLength, func(a, b mount) int { return cmp.Compare(len(b.path), len(a.path)) })
	return rewriter{byLength}
}

// text rewrites any text: an argument, a list of paths, JSON, a file:// URI, a shell line.
func (r rewriter) text(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); {
		if m, ok := r.at(s, i); ok {
			out.WriteString(m.real)
			i += len(m.path)
			continue
		}
		out.WriteByte(s[i])
		i++
	}
	return out.String()
}

func (r rewriter) texts(all []string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = r.text(s)
	}
	return out
}

// at finds the longest mount path that stands at s[i:] as a path of its own.
func (r rewriter) at(s string, i int) (mount, bool) {
	if s[i] != '/' || !pathBegins(s[:i]) {
		return mount{}, false
	}
	for _, m := range r.mounts {
		if rest, ok := strings.CutPrefix(s[i:], m.path); ok && elementEnds(rest) {
			return m, true
		}
	}
	return mount{}, false
}

// pathBegins says whether an absolute path can begin after this text. After a
// letter or another slash it cannot, except after the two of "file://".
func pathBegins(before string) bool {
	if before == "" {
		return true
	}
	last := before[len(before)-1]
	if last == '/' {
		return strings.HasSuffix(before, "file://")
	}
	return !inName(last)
}

func elementEnds(rest string) bool { return rest == "" || rest[0] == '/' || !inName(rest[0]) }

// inName says whether a byte can be part of a file's name as people write them.
// Bytes above ASCII are parts of letters.
func inName(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' ||
		strings.IndexByte("._-+@~%", b) >= 0 || b >= 0x80
}
