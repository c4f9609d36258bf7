package node

import (
	"cmp"
	"slices"
	"strings"
)

// mount says where a mount path of a container is on this machine.
type mount struct {
	path   string // the mount path in the pod: absolute, clean, not /
	onDisk string // the directory or file on this machine
}

// rewriter replaces mount paths in arguments and environment by the paths on this machine.
//
// It reads a text once from left to right. So it does not replace a mount path within a path
// that it has just written. A mount path counts only where a path begins (not within
// "x/data" or "s3://b/data") and only as whole elements (not as the beginning of
// "/data-old"). If several mount paths match at one place, the longest is replaced.
type rewriter struct{ mounts []mount }

func newRewriter(mounts []mount) rewriter {
	byLength := slices.Clone(mounts)
	slices.SortStableFunc(byLength, func(a, b mount) int { return cmp.Compare(len(b.path), len(a.path)) })
	return rewriter{byLength}
}

// text rewrites a text: an argument, a list of paths, JSON, a file:// URI, a shell line.
func (r rewriter) text(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); {
		if m, ok := r.at(s, i); ok {
			out.WriteString(m.onDisk)
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

// at returns the longest mount path with which s[i:] begins, if a path begins there.
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

// pathBegins reports whether an absolute path can begin after this text. It cannot begin
// after a letter or a slash, except after "file://".
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

// elementEnds reports whether an element of a path ends before this text.
func elementEnds(rest string) bool { return rest == "" || rest[0] == '/' || !inName(rest[0]) }

// inName reports whether a byte can be part of a file's name, as people write such names.
// Bytes above ASCII count as parts of letters.
func inName(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' ||
		strings.IndexByte("._-+@~%", b) >= 0 || b >= 0x80
}
