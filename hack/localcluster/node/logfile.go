package node

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// maxLogLine is the length in bytes from which a line is written in pieces.
const maxLogLine = 16 << 10

// logFile is the log of one run of a container. It has the format of container runtimes,
// because the reader in package cri-client (tail, since, follow) expects it:
//
//	2016-10-06T00:17:09.669794202Z stdout F a whole line, or the last piece of one
//	2016-10-06T00:17:09.669794203Z stderr P a piece of a line that continues in the next piece
type logFile struct {
	mu sync.Mutex
	f  *os.File
}

func createLog(path string) (*logFile, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make the container's log: %w", err)
	}
	return &logFile{f: f}, nil
}

// copyFrom writes a stream's lines into the log, each with the time, until the stream ends.
func (l *logFile) copyFrom(stream string, r io.Reader) {
	in := bufio.NewReaderSize(r, maxLogLine)
	for {
		line, err := in.ReadSlice('\n')
		if len(line) > 0 {
			tag := "P"
			if line[len(line)-1] == '\n' {
				tag, line = "F", line[:len(line)-1]
			}
			l.mu.Lock()
			fmt.Fprintf(l.f, "%s %s %s %s\n", time.Now().UTC().Format(time.RFC3339Nano), stream, tag, line)
			l.mu.Unlock()
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (l *logFile) close() { _ = l.f.Close() }

// parseLogLine returns the parts of a line of the log. full is false for a piece of a line that continues in the next
// piece.
func parseLogLine(line string) (stream, text string, full, ok bool) {
	f := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
	if len(f) != 4 {
		return "", "", false, false
	}
	return f[1], f[3], f[2] == "F", true
}
