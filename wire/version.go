package wire

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Version is the version of every document in this package. The minor number grows when a field is added, and the major
// number grows with every other change.
//
// The previous release must be able to read a document with the new field. It ignores an unknown field of a Report, a
// Manifest and a Result, so such a field must be one that a reader may ignore. It refuses a Trial, a Publication and a
// KeepList with an unknown field, so such a field must not be written as long as it has its zero value: see Trial.
const Version = "1.1"

// ownVersion is Version, except in tests that act as a later release.
var ownVersion = Version

// CheckVersion returns an error unless got has this package's major version and a minor version at most one apart. An
// operator may therefore be upgraded before or after the trainer images of the runs that it watches.
func CheckVersion(got string) error { return checkVersion(got, 1) }

// checkStoredVersion is CheckVersion for a document in a checkpoint. It accepts every older minor version, because a
// checkpoint outlives the release that wrote it.
func checkStoredVersion(got string) error { return checkVersion(got, math.MaxInt) }

const versionsDiffer = "wire version %s does not work with %s: " +
	"use an operator and a trainer image of the same release, or of neighbouring ones"

// checkVersion returns an error unless got has this package's major version, and a minor version from maxOlder below to
// one above this package's.
func checkVersion(got string, maxOlder int) error {
	major, minor, err := parseVersion(got)
	if err != nil {
		return err
	}
	ownMajor, ownMinor, err := parseVersion(ownVersion)
	if err != nil {
		return err
	}
	if major != ownMajor || minor > ownMinor+1 || ownMinor-minor > maxOlder {
		return fmt.Errorf(versionsDiffer, got, ownVersion)
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
