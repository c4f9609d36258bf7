package wire

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Version of every document in this package. The minor number grows when a field is added that an older reader may ignore;
// the major number when it may not.
const Version = "1.1"

// own is what versions are compared with. Tests put a later release in its place.
var own = Version

// CheckVersion accepts this package's major version with a minor version at most one apart: an operator may be upgraded
// before the trainer images of the runs that it watches, or after them.
func CheckVersion(got string) error { return checkVersion(got, 1) }

// checkKept is for what lies in a checkpoint, which outlives the release that wrote it: it accepts every older minor version as well.
func checkKept(got string) error { return checkVersion(got, math.MaxInt) }

// checkVersion accepts minor versions up to so many older than its own, and the next one.
func checkVersion(got string, older int) error {
	major, minor, err := parseVersion(got)
	if err != nil {
		return err
	}
	ownMajor, ownMinor, err := parseVersion(own)
	if err != nil {
		return err
	}
	if major != ownMajor || minor > ownMinor+1 || ownMinor-minor > older {
		return fmt.Errorf("wire version %s does not work with %s: use an operator and a trainer image of the same release, or of neighbouring ones", got, own)
	}
	return nil
}

func parseVersion(s string) (major, minor int, err error) {
	a, b, ok := strings.Cut(s, ".")
	if ok {
		if major, err = strconv.Atoi(a); err == nil {
			minor, err = strconv.Atoi(b)
		}
	}
	if !ok || err != nil || major < 0 || minor < 0 {
		return 0, 0, fmt.Errorf("wire version %q is not of the form MAJOR.MINOR", s)
	}
	return major, minor, nil
}
