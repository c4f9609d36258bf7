package ingest

import "slices"

// spans is a set of sequences, counted from 1, as sorted ranges that do not touch: small however high a writer counts,
// and exact about what is missing below the highest.
type spans []span

type span struct{ first, last int64 }

// add puts in a sequence and says whether it was not there.
func (s *spans) add(n int64) bool {
	i, found := slices.BinarySearchFunc(*s, n, func(x span, n int64) int {
		switch {
		case x.last < n:
			return -1
		case x.first > n:
			return 1
		}
		return 0
	})
	if found {
		return false
	}
	joinsLeft := i > 0 && (*s)[i-1].last == n-1
	joinsRight := i < len(*s) && (*s)[i].first == n+1
	switch {
	case joinsLeft && joinsRight:
		(*s)[i-1].last = (*s)[i].last
		*s = slices.Delete(*s, i, i+1)
	case joinsLeft:
		(*s)[i-1].last = n
	case joinsRight:
		(*s)[i].first = n
	default:
		*s = slices.Insert(*s, i, span{n, n})
	}
	return true
}

// touches says whether adding a sequence leaves the number of ranges as it is.
func (s spans) touches(n int64) bool {
	return slices.ContainsFunc(s, func(x span) bool { return x.first-1 <= n && n <= x.last+1 })
}

// gaps counts what is missing below the highest sequence.
func (s spans) gaps() int64 {
	if len(s) == 0 {
		return 0
	}
	missing := s[len(s)-1].last
	for _, x := range s {
		missing -= x.last - x.first + 1
	}
	return missing
}
