package wire

import (
	"encoding/json"
	"fmt"
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

// Encode returns at most MaxResultBytes of JSON, shortening the message where it must.
func (r Result) Encode() []byte {
	r.Version = Version
	b, _ := json.Marshal(r) // strings and ints cannot fail
	for len(b) > MaxResultBytes && r.Message != "" {
		r.Message = shorten(r.Message, len(r.Message)-(len(b)-MaxResultBytes)-16)
		b, _ = json.Marshal(r)
	}
	return b
}

// shorten cuts s to at most n bytes without splitting a character.
func shorten(s string, n int) string {
	if n <= 0 {
		return ""
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
