package node

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// Container logs have the form that container runtimes give them, because the
// reader of package cri-client (tail, since, follow) expects it:
//
//	2016-10-06T00:17:09.669794202Z stdout F a whole line
//	2016-10-06T00:17:09.669794203Z stderr P a piece of a line that had no end yet
const maxLogLine = 16 << 10 // bytes; longer lines are written in pieces

// logFile is one container's log; its two streams write whole lines into it.
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

// copyFrom stamps what a stream says until the last writer has closed it.
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
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}

func (l *logFile) close() { _ = l.f.Close() }

// parseLogLine takes a line apart; full says that the program ended it.
func parseLogLine(line string) (stream, text string, full, ok bool) {
	f := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
	if len(f) != 4 {
		return "", "", false, false
	}
	return f[1], f[3], f[2] == "F", true
}
