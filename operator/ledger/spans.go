package ledger

import "slices"

// spans is a set of sequences, which count from 1. It is kept as sorted ranges that do not touch, so its size depends
// on the number of gaps and not on the number of sequences.
type spans []span

type span struct{ first, last int64 }

// add adds a sequence and reports whether the sequence is new.
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

// touches reports whether a sequence lies in a range or next to one, so that adding it makes no new range.
func (s spans) touches(n int64) bool {
	return slices.ContainsFunc(s, func(x span) bool { return x.first-1 <= n && n <= x.last+1 })
}

// gaps returns how many sequences below the highest are missing.
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
