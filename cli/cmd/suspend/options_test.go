package suspend

import (
	"testing"

	"plumbline.dev/plumbline/cli/clustertest"
)

func TestTheOptionsOfSuspendAndResume(t *testing.T) {
	if o := clustertest.Options(t, NewCmdSuspend, "suspend", "erasers"); o.Run != "erasers" || !o.Suspend {
		t.Errorf("suspend: %+v", o)
	}
	o := clustertest.Options(t, NewCmdResume, "resume", "erasers", "-o", "name")
	if o.Suspend || o.Output.Format != "name" {
		t.Errorf("resume: %+v", o)
	}
}
