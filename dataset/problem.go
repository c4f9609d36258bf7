// How a set's faults are told: all of them at once, each as one sentence with
// the file and the line where somebody can mend it.

package dataset

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one fault of a set.
type Problem struct {
	File    string `json:"file"`           // as the user can open it
	Line    int    `json:"line,omitempty"` // from 1; 0 when the file as a whole is meant
	Message string `json:"message"`
}

func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Message
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Message)
}

// ProblemsError says that the set itself must change before it can be used.
type ProblemsError struct {
	Problems []Problem // never empty; in the order of the files
}

// shownProblems bounds Error's text: it travels in a termination message of at
// most 4 KiB, where a thousand missing images would push out everything else.
const shownProblems = 5

func (e *ProblemsError) Error() string {
	lines := make([]string, 0, shownProblems+1)
	for _, p := range e.Problems[:min(len(e.Problems), shownProblems)] {
		lines = append(lines, p.String())
	}
	if more := len(e.Problems) - shownProblems; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more (`plumb dataset check` lists them all)", more))
	}
	return strings.Join(lines, "\n")
}

// problems collects faults while reading goes on.
type problems []Problem

func (ps *problems) addf(file string, line int, format string, args ...any) {
	*ps = append(*ps, Problem{File: file, Line: line, Message: fmt.Sprintf(format, args...)})
}

// err is nil when nothing was found.
func (ps problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	return &ProblemsError{Problems: ps}
}

// sorted brings each file's problems into the order of its lines.
func sorted(ps problems) problems {
	rank := map[string]int{}
	for _, p := range ps {
		if _, seen := rank[p.File]; !seen {
			rank[p.File] = len(rank)
		}
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(rank[a.File], rank[b.File]), cmp.Compare(a.Line, b.Line))
	})
	return ps
}
