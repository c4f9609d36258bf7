// Problems of a set: all are reported at once, each as one sentence with the file and the line where the
// user can correct it.

package dataset

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem says one thing that is wrong with a set.
type Problem struct {
	File    string `json:"file"`           // a path that the user can open
	Line    int    `json:"line,omitempty"` // counted from 1; 0 when the problem is that of the whole file
	Message string `json:"message"`
}

func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Message
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Message)
}

// ProblemsError is the error for a set that must be corrected before it can be used.
type ProblemsError struct {
	Problems []Problem // never empty
}

// shownProblems is the number of problems that Error prints. The text becomes part of a pod's termination
// message, which has at most 4 KiB: a thousand missing images would leave no room for anything else.
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

// problems collects the problems that are found while a set is read.
type problems []Problem

func (ps *problems) addf(file string, line int, format string, args ...any) {
	*ps = append(*ps, Problem{File: file, Line: line, Message: fmt.Sprintf(format, args...)})
}

// err returns a *ProblemsError, or nil when there are no problems.
func (ps problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	return &ProblemsError{Problems: ps}
}

// sorted sorts problems by file, in the order in which the files first occur, and by line. It sorts ps in
// place.
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
