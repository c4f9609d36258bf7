//go:build drill

package failpoint

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

const (
	envKills = "PLUMBLINE_FAILPOINTS"
	envDir   = "PLUMBLINE_FAILPOINTS_DIR"
)

// plan is what the environment asks for, read at the first point that is passed. A mistake in it ends the process: a drill that kills
// nothing would prove nothing.
var plan = sync.OnceValue(func() map[string]int64 {
	kills, err := parse(os.Getenv(envKills))
	if err == nil && len(kills) > 0 && os.Getenv(envDir) == "" {
		err = fmt.Errorf("%s is set without %s: each restart would be killed again", envKills, envDir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "failpoint:", err)
		os.Exit(64)
	}
	return kills
})

// parse reads name=n,name=n.
func parse(text string) (map[string]int64, error) {
	kills := map[string]int64{}
	for _, one := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		name, number, _ := strings.Cut(one, "=")
		n, err := strconv.ParseInt(number, 10, 64)
		if name == "" || strings.ContainsRune(name, '/') || err != nil || n < 1 {
			return nil, fmt.Errorf("%s: %q is not of the form name=n with n of 1 or more", envKills, one)
		}
		kills[name] = n
	}
	return kills, nil
}

// Here kills this process where this is the passing that the drill asks for.
func Here(name string) {
	kills, dir := plan(), os.Getenv(envDir)
	if dir == "" {
		return
	}
	n, err := passing(filepath.Join(dir, name))
	if err != nil {
		fmt.Fprintln(os.Stderr, "failpoint: count", name+":", err)
		os.Exit(64)
	}
	if n == kills[name] {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing may happen before the signal arrives
	}
}

// passing counts: every passing appends one byte, and where that byte ends is its number, whoever else appends at the same time.
func passing(file string) (int64, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if _, err := f.Write([]byte{'.'}); err != nil {
		return 0, err
	}
	return f.Seek(0, io.SeekCurrent)
}
