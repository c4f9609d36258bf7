package wire

import (
	"strings"
	"testing"
	"time"
)

func TestAnAmbiguousKeepListIsRefused(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"a correct list": {
			`{"version":"1.1","made":"2026-11-24T06:10:00Z","live":["a-1"],"ended":["b-2"],` +
				`"checkpoints":["b-2/d50/d50-a1-pod/best-e0007"],"unknown":true,"idleSeconds":60}`,
			"",
		},
		"a run that is live and ended": {
			`{"version":"1.1","made":"2026-11-24T06:10:00Z","live":["a"],"ended":["a"],` +
				`"checkpoints":[],"idleSeconds":0}`,
			"run a is live and ended",
		},
		"a uid that is a path": {
			`{"version":"1.1","made":"2026-11-24T06:10:00Z","live":[],"ended":["../a"],` +
				`"checkpoints":[],"idleSeconds":0}`,
			`"../a" is not a run's uid`,
		},
		"a checkpoint by its uri": {
			`{"version":"1.1","made":"2026-11-24T06:10:00Z","live":[],"ended":[],` +
				`"checkpoints":["file:///c/b/d50/d50-a1-pod/best-e0007"],"idleSeconds":0}`,
			"is not of the form",
		},
		"no time": {
			`{"version":"1.1","live":[],"ended":[],"checkpoints":[],"idleSeconds":0}`,
			"made is missing",
		},
		"an unknown field": {
			`{"version":"1.1","keep":["a"]}`,
			"unknown field",
		},
		"another version": {
			`{"version":"2.0","live":[],"ended":[],"checkpoints":[],"idleSeconds":0}`,
			"wire version 2.0",
		},
	} {
		_, err := DecodeKeepList([]byte(test.text))
		if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
}

func TestAKeepListIsRefusedOnceItIsTooOld(t *testing.T) {
	made := time.Date(2026, 11, 24, 6, 10, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		age  time.Duration
		want string
	}{
		"a new list":                        {0, ""},
		"a list of the greatest age":        {KeepMaxAge, ""},
		"a list that is too old":            {KeepMaxAge + time.Second, "run plumb prune again"},
		"a list from the future":            {-KeepMaxAge, ""},
		"a list from too far ahead in time": {-KeepMaxAge - time.Second, "correct the clock"},
	} {
		err := KeepList{Made: made}.CheckAge(made.Add(test.age))
		if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
}
