package proc

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// MarkerVar is an environment variable that every process of a cluster carries
// and its children inherit: CLUSTER/component/NAME or CLUSTER/pod/UID/CONTAINER.
// Process groups lose a child that starts a session of its own; this does not.
const MarkerVar = "PLUMBLINE_LOCALCLUSTER_PROCESS"

// Marked lists the running processes whose marker is the prefix or lies below it.
func Marked(prefix string) []ID {
	var found []ID
	for _, pid := range allPIDs() {
		if m := markerOf(pid); m == prefix || strings.HasPrefix(m, prefix+"/") {
			if id, err := Lookup(pid); err == nil && id.Alive() && pid != os.Getpid() {
				found = append(found, id)
			}
		}
	}
	return found
}

// KillMarked ends them all and waits until they are gone. Killing goes in rounds,
// because a process may fork while the list is read.
func KillMarked(prefix string) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		ids := Marked(prefix)
		if len(ids) == 0 {
			return nil
		}
		for _, id := range ids {
			// Compared again under the pidfd's pin by Signal; the marker cannot change without exec.
			if err := id.Signal(unix.SIGKILL); err != nil {
				return err
			}
		}
		for _, id := range ids {
			id.WaitGone(time.Until(deadline))
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("end the processes marked %s: %d still run after SIGKILL, the first is %d", prefix, len(ids), ids[0].PID)
		}
	}
}

func markerOf(pid int) string {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return "" // another user's, or gone
	}
	for _, kv := range bytes.Split(env, []byte{0}) {
		if v, ok := strings.CutPrefix(string(kv), MarkerVar+"="); ok {
			return v
		}
	}
	return ""
}
