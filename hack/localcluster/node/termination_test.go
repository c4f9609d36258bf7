package node

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestTerminationMessage(t *testing.T) {
	var long strings.Builder
	for i := range 200 {
		fmt.Fprintf(&long, "2026-01-01T00:00:00.123456789Z stderr F line %d\n", i)
	}
	var last80 strings.Builder
	for i := 120; i < 200; i++ {
		fmt.Fprintf(&last80, "line %d\n", i)
	}
	const (
		log = "2026-01-01T00:00:00Z stdout F reading\n" +
			"2026-01-01T00:00:01Z stderr P no such \n" +
			"2026-01-01T00:00:01Z stderr F file\n"
		readFile = corev1.TerminationMessageReadFile
		fallback = corev1.TerminationMessageFallbackToLogsOnError
	)
	for name, tc := range map[string]struct {
		message, log string
		policy       corev1.TerminationMessagePolicy
		failed       bool
		want         string
	}{
		"the program wrote a message": {
			message: "done",
			log:     log,
			policy:  readFile,
			want:    "done",
		},
		"no message, and the policy does not read the log": {
			log:    log,
			policy: readFile,
			failed: true,
			want:   "",
		},
		"no message: the end of the log after a failure": {
			log:    log,
			policy: fallback,
			failed: true,
			want:   "reading\nno such file\n",
		},
		"no message: not the log after a success": {
			log:    log,
			policy: fallback,
			want:   "",
		},
		"a message is preferred to the log": {
			message: "bad",
			log:     log,
			policy:  fallback,
			failed:  true,
			want:    "bad",
		},
		"the last 4096 bytes of a long message": {
			message: strings.Repeat("x", 5000),
			want:    strings.Repeat("x", 4096),
		},
		"a letter cut in two is left out": {
			message: "é" + strings.Repeat("x", 4095),
			want:    strings.Repeat("x", 4095),
		},
		"the last 80 lines of a log, without times": {
			log:    long.String(),
			policy: fallback,
			failed: true,
			want:   last80.String(),
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file, logFile := filepath.Join(dir, "message"), filepath.Join(dir, "0.log")
			for f, text := range map[string]string{file: tc.message, logFile: tc.log} {
				if err := os.WriteFile(f, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(tc.want, terminationMessage(file, logFile, tc.policy, tc.failed)); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}
