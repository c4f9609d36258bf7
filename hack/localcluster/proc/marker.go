package proc

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// MarkerVar is an environment variable that every process of a cluster has and that its
// children inherit: ID/component/NAME or ID/pod/UID/CONTAINER, where ID is the cluster's.
// A child that starts another session leaves its process group, but it keeps its marker.
const MarkerVar = "PLUMBLINE_LOCALCLUSTER_PROCESS"

// Marked returns the running processes whose marker is the prefix or begins with the
// prefix and a slash. This process is never among them.
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

// KillMarked kills all processes that Marked returns and blocks until they are gone, for
// 10 seconds at most. It repeats until none is found, because a process may fork while the
// list is read.
func KillMarked(prefix string) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		ids := Marked(prefix)
		if len(ids) == 0 {
			return nil
		}
		for _, id := range ids {
			// Signal makes sure that it is still the same process. Its marker is still the same
			// too, unless it has executed another program with another environment.
			if err := id.Signal(unix.SIGKILL); err != nil {
				return err
			}
		}
		for _, id := range ids {
			id.WaitGone(time.Until(deadline))
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("end the processes with the marker %s: %d still run after SIGKILL, the first is pid %d",
				prefix, len(ids), ids[0].PID)
		}
	}
}

// markerOf returns the marker of a process, or "" if it has none.
func markerOf(pid int) string {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return "" // the process belongs to another user, or has ended
	}
	for _, kv := range bytes.Split(env, []byte{0}) {
		if v, ok := strings.CutPrefix(string(kv), MarkerVar+"="); ok {
			return v
		}
	}
	return ""
}
