package wire

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// MaxResultBytes is the length at which Kubernetes cuts off a termination message.
const MaxResultBytes = 4096

// Result says how a pod's work ended. It is the JSON document in the pod's termination message.
type Result struct {
	Version string `json:"version"`
	Reason  string `json:"reason"`            // one CamelCase word, such as BadData
	Message string `json:"message,omitempty"` // a sentence for people
	Where   string `json:"where,omitempty"`   // the file and line, or the object, that the message is about

	Epoch  int    `json:"epoch,omitempty"`  // of a trial: the last finished epoch
	Digest string `json:"digest,omitempty"` // of a publication: the digest of the published version
	URI    string `json:"uri,omitempty"`    // of a publication: the location of the published version
}

// Encode returns the Result as at most MaxResultBytes of JSON. If it would be longer, Encode shortens Message and, if
// that is not enough, Where.
func (r Result) Encode() []byte {
	r.Version = Version
	for _, text := range []*string{&r.Message, &r.Where} {
		*text = strings.ToValidUTF8(*text, "\uFFFD")
		if len(r.encode()) <= MaxResultBytes {
			continue
		}
		whole := *text
		// JSON may need six bytes for one byte of text, so the longest prefix that fits is found by a binary search.
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

// shorten returns at most the first n bytes of s, without splitting a character. A shortened text ends in "…", which
// takes three more bytes.
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

// DecodeResult reads a termination message. It returns an error if the message is not a Result: after a crash, for
// example, or from an image that is no Plumbline trainer.
func DecodeResult(b []byte) (Result, error) {
	var r Result
	if err := json.Unmarshal(b, &r); err != nil {
		return Result{}, fmt.Errorf("read result: %w", err)
	}
	return r, CheckVersion(r.Version)
}
