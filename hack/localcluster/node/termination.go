package node

import (
	"errors"
	"os"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/util/tail"
)

// Bounds on a container's last word, as the kubelet has them.
const (
	maxMessage      = 4096 // bytes of the message file, from its end
	maxMessageLog   = 2048 // bytes of the log where that stands in for the message
	maxMessageLines = 80
)

// terminationMessage is what a container left in its message file; where it left
// nothing, failed and asked for it, the end of its log.
func terminationMessage(file, log string, policy corev1.TerminationMessagePolicy, failed bool) string {
	b, _, err := tail.ReadAtMost(file, maxMessage)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "read the termination message: " + err.Error()
	}
	if len(b) > 0 || !failed || policy != corev1.TerminationMessageFallbackToLogsOnError {
		return cleanText(string(b))
	}
	return cleanText(logEnd(log))
}

// logEnd is the end of a log as the program wrote it, without the node's stamps. The
// stamps make lines longer, so more is read than is wanted.
func logEnd(file string) string {
	b, cut, err := tail.ReadAtMost(file, 4*maxMessageLog+maxMessageLines*64)
	if err != nil {
		return ""
	}
	lines := strings.SplitAfter(string(b), "\n")
	if cut {
		lines = lines[1:] // its beginning is missing
	}
	lines = lines[max(0, len(lines)-maxMessageLines-1):]
	var out strings.Builder
	for _, l := range lines {
		if _, text, full, ok := parseLogLine(l); ok {
			out.WriteString(text)
			if full {
				out.WriteByte('\n')
			}
		}
	}
	s := out.String()
	return s[max(0, len(s)-maxMessageLog):]
}

// cleanText drops what a cut in the middle of a letter leaves: the API takes UTF-8 alone.
func cleanText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "")
}
