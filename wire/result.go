package wire

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// MaxResultBytes is how much of a termination message Kubernetes keeps.
const MaxResultBytes = 4096

// Result is a pod's last word: JSON in its termination message.
type Result struct {
	Version string `json:"version"`
	Reason  string `json:"reason"`            // one CamelCase word, such as BadData
	Message string `json:"message,omitempty"` // a sentence for people
	Where   string `json:"where,omitempty"`   // file and line, or the object, that the message is about

	Epoch  int    `json:"epoch,omitempty"`  // trial: the last finished epoch
	Digest string `json:"digest,omitempty"` // publication: of what was published
	URI    string `json:"uri,omitempty"`    // publication: where
}

// Encode returns at most MaxResultBytes of JSON. What does not fit is cut off the message and, should that not be enough, off the place.
func (r Result) Encode() []byte {
	r.Version = Version
	for _, text := range []*string{&r.Message, &r.Where} {
		*text = strings.ToValidUTF8(*text, "\uFFFD")
		if len(r.encode()) <= MaxResultBytes {
			continue
		}
		whole := *text
		// JSON may take six bytes for one, so the longest beginning that fits is searched for.
		tooLong := sort.Search(len(whole)+1, func(n int) bool {
			*text = shorten(whole, n)
			return len(r.encode()) > MaxResultBytes
		})
		*text = shorten(whole, tooLong-1)
	}
	return r.encode()
}

func (r Result) encode() []byte {
	b, _ := json.Marshal(r) // strings and ints cannot fail
	return b
}

// shorten cuts s to at most n bytes without splitting a character, and shows that it did.
func shorten(s string, n int) string {
	if n <= 0 {
		return ""
	}
	if n >= len(s) {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// DecodeResult reads a termination message. One that is not a Result (a crash, a foreign image) is an error.
func DecodeResult(b []byte) (Result, error) {
	var r Result
	if err := json.Unmarshal(b, &r); err != nil {
		return Result{}, fmt.Errorf("read result: %w", err)
	}
	return r, CheckVersion(r.Version)
}
