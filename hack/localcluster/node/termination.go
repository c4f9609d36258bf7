package node

import (
	"errors"
	"os"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/util/tail"
)

// Limits of a termination message, the same as the kubelet's.
const (
	maxMessage      = 4096 // bytes of the message file, from its end
	maxMessageLog   = 2048 // bytes of the log, where its end is used as the message
	maxMessageLines = 80   // lines of the log
)

// terminationMessage returns the contents of a container's message file. It returns the end
// of the log instead if the file is empty, the container failed and its policy is
// FallbackToLogsOnError.
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

// logEnd returns the end of a log without the node's times. The times make lines longer, so
// logEnd reads more bytes than it returns.
func logEnd(file string) string {
	b, cut, err := tail.ReadAtMost(file, 4*maxMessageLog+maxMessageLines*64)
	if err != nil {
		return ""
	}
	lines := strings.SplitAfter(string(b), "\n")
	if cut {
		lines = lines[1:] // the beginning of this line is missing
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

// cleanText removes bytes that are not UTF-8, because the API server takes only UTF-8. They
// come from cutting a text within a letter.
func cleanText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "")
}
