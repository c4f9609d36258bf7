package main

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestEveryCommandHasAnExample(t *testing.T) {
	root := command()
	for _, cmd := range append(root.Commands(), root) {
		if !strings.HasPrefix(cmd.Example, "  "+root.Name()) {
			t.Errorf("%s has the example %q", cmd.CommandPath(), cmd.Example)
		}
	}
}

func TestOptions(t *testing.T) {
	good := []string{"--nats-url=nats://nats:4222", "--nats-signing-key=signing.nk", "--nats-account=account.pub"}
	for name, tc := range map[string]struct {
		args []string
		want string // in the error; empty: accepted
	}{
		"all required flags":     {good, ""},
		"no NATS":                {good[1:], "--nats-url is missing"},
		"no keys":                {good[:1], "`plumbline-operator nats-keys` makes them"},
		"no workers":             {append(good, "--workers=0"), "--workers must be at least 1"},
		"a stream without bytes": {append(good, "--stream-max-bytes=0"), "--stream-max-bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			var o options
			f := pflag.NewFlagSet("", pflag.ContinueOnError)
			o.flags(f)
			if err := f.Parse(tc.args); err != nil {
				t.Fatal(err)
			}
			err := o.validate()
			if got := err != nil; got != (tc.want != "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if err == nil && o.natsURLForTrials != o.natsURL {
				t.Errorf("trials send their reports to %q", o.natsURLForTrials)
			}
		})
	}
	if _, _, err := (&options{ca: "/nowhere"}).readCA(); err == nil || !strings.Contains(err.Error(), "--nats-ca") {
		t.Errorf("a CA file that does not exist: %v", err)
	}
}
