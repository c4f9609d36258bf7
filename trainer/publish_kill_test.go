//go:build drill

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"plumbline.dev/plumbline/wire"
)

// A publishing pod dies just before or just after the rename that makes a version visible. Then there is no version,
// or a complete one. The next pod publishes it, or finds it published, and leaves nothing else behind.
func TestAPublicationKilledAtItsRename(t *testing.T) {
	best := fitted(t)
	for point, visible := range map[string]bool{"publication.rename.before": false, "publication.rename.after": true} {
		t.Run(point, func(t *testing.T) {
			registry, armed := filepath.Join(t.TempDir(), "models"), t.TempDir()
			pub := publication(t, registry, best, 1)
			text, err := json.Marshal(pub)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(armed, point), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(os.Args[0], "publish")
			cmd.Env = append(os.Environ(),
				asProgram+"=1", wire.EnvPublication+"="+string(text), "DRILL_FAILPOINTS="+armed)
			if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("the pod was not killed: %v\n%s", err, out)
			}
			model := filepath.Join(registry, "eraser")
			isStaging := func(name string) bool { return strings.HasPrefix(name, ".publishing-1-") }
			left := slices.DeleteFunc(names(t, model), isStaging)
			if visible != slices.Equal(left, []string{"1"}) || !visible && len(left) > 0 {
				t.Errorf("the killed pod left %v", left)
			}
			digest := ""
			if visible {
				if _, digest, err = readCard(filepath.Join(model, "1")); err != nil {
					t.Errorf("the version that the killed pod made visible: %v", err)
				}
			}
			next := publishPod(t, pub)
			if next.code != 0 || next.result.Reason != "Published" || digest != "" && next.result.Digest != digest {
				t.Fatalf("the next pod: exit %d, result %+v\n%s", next.code, next.result, next.log)
			}
			if got := names(t, model); !slices.Equal(got, []string{"1"}) {
				t.Errorf("the model's directory holds %v, want version 1 alone", got)
			}
			if _, digest, err = readCard(filepath.Join(model, "1")); err != nil || digest != next.result.Digest {
				t.Errorf("the version's digest is %s, the result's %s, error %v", digest, next.result.Digest, err)
			}
		})
	}
}
