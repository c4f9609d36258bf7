package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"plumbline.dev/plumbline/test/drill/judge"
)

// config holds the settings of a drill.
type config struct {
	seed         uint64
	faults       int     // how many faults strike in all
	faultsPerRun int     // how many faults strike one run
	kinds        []fault // the faults that may strike
	onlyRun      int     // the number of the one run to drill; 0: all
	clusters     int     // how many clusters are drilled at the same time
	goOn         bool    // whether the drill continues after a violation
	depths       []any   // of each run
	epochs       int     // of each trial
	bin          string  // directory of the programs
	root         string  // directory of the repository
	failures     string  // directory for the histories of runs that broke a rule
	out          io.Writer
}

const usage = `Kills processes at random and shows that no report and no checkpoint is lost.

  go run ./test/drill --seed 7 --faults 200
  go run ./test/drill --seed 7 --run 3                     # only the third run of that drill
  go run ./test/drill judge drill-failures/seed-7-run-3.json
  go run ./test/drill --faults 6 --epochs 6 mutants        # does the judge find bugs put into the operator?
  go run ./test/drill scale --runs 100                     # what the operator costs with 500 trials
  go run ./test/drill outage --away 10m                    # does training get slower while NATS is away?

`

func main() {
	c, err := parseFlags()
	if err != nil {
		fmt.Fprintln(os.Stderr, "drill:", err)
		os.Exit(2)
	}
	log.SetLogger(logr.Discard()) // the Kubernetes client's log
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	verb := runDrill
	switch flag.Arg(0) {
	case "judge":
		os.Exit(judgeAgain(flag.Args()[1:]))
	case "run": // as the trainer is called: this program runs in a pod of scale
		if err := reportWithoutTraining(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	case "mutants":
		verb = func(ctx context.Context, c config) error { return tryMutants(ctx, c, flag.Arg(1)) }
	case "outage":
		verb = func(ctx context.Context, c config) error { return outage(ctx, c, flag.Args()[1:]) }
	case "scale":
		verb = func(ctx context.Context, c config) error { return scale(ctx, c, flag.Args()[1:]) }
	}
	if err := verb(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, "drill:", err)
		os.Exit(1)
	}
}

// parseFlags reads the command line. It returns an error for settings with which no drill can run.
func parseFlags() (config, error) {
	c := config{out: os.Stdout, depths: []any{18, 34}}
	flag.Uint64Var(&c.seed, "seed", 1,
		"draws the faults: the same seed gives each run the same faults in the same order")
	flag.IntVar(&c.faults, "faults", 200, "number of faults that strike in all")
	flag.IntVar(&c.faultsPerRun, "per-run", 12, "number of faults that strike one run")
	flag.IntVar(&c.clusters, "clusters", 1,
		"number of clusters that are drilled at the same time, each with its own runs")
	flag.IntVar(&c.epochs, "epochs", 10, "number of epochs of each trial")
	flag.IntVar(&c.onlyRun, "run", 0,
		"drill only the run with this number, with the faults that the seed draws for it; 0: all")
	only := flag.String("only", "", "names of the faults that may strike, separated by commas; default: all")
	flag.StringVar(&c.bin, "bin", "bin/drill", "directory of the programs, built with the tag drill")
	flag.StringVar(&c.root, "root", ".", "directory of the repository")
	flag.StringVar(&c.failures, "out", "drill-failures", "directory for the history of each run that broke a rule")
	flag.BoolVar(&c.goOn, "go-on", false, "continue after a run that broke a rule")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), usage)
		flag.PrintDefaults()
	}
	flag.Parse()
	err := c.check(flag.Args())
	if err != nil {
		return c, err
	}
	names := strings.FieldsFunc(*only, func(r rune) bool { return r == ',' })
	if c.kinds, err = faultsNamed(names); err != nil {
		return c, err
	}
	for _, p := range []*string{&c.bin, &c.root, &c.failures} {
		if absolute, err := filepath.Abs(*p); err == nil {
			*p = absolute
		}
	}
	return c, nil
}

// check refuses settings with which nothing would be tried. Such a drill would end without violations.
func (c config) check(args []string) error {
	command, word := "", ""
	if len(args) > 0 {
		command = args[0]
	}
	if len(args) > 1 {
		word = args[1]
	}
	namesMutant := func(m mutant) bool { return strings.Contains(m.name, word) }
	switch {
	case !slices.Contains([]string{"", "judge", "run", "mutants", "outage", "scale"}, command):
		return fmt.Errorf("there is no command %q: --help lists the commands", command)
	case command == "judge" && len(args) == 1:
		return errors.New("judge needs the files of histories, which a drill writes to the directory of --out")
	case command == "mutants" && !slices.ContainsFunc(mutants, namesMutant):
		return fmt.Errorf("no mutant has %q in its name: test/drill/mutants.go lists the mutants", word)
	case c.faults < 1 || c.faultsPerRun < 1 || c.clusters < 1 || c.epochs < 1:
		return errors.New("--faults, --per-run, --clusters and --epochs must be at least 1")
	case c.onlyRun < 0:
		return errors.New("--run must be the number of a run, from 1, or 0 for all runs")
	}
	return nil
}

// judgeAgain judges histories that drills have kept, prints the violations and returns the exit code.
func judgeAgain(files []string) (code int) {
	for _, f := range files {
		var kept struct{ Drilled, Calm judge.History }
		b, err := os.ReadFile(f)
		if err == nil {
			err = json.Unmarshal(b, &kept)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "drill: %v\nName the file of a history. "+
				"A drill writes one to the directory of --out for each run that broke a rule.\n", err)
			return 2
		}
		for _, v := range judge.Validate(kept.Drilled, kept.Calm) {
			fmt.Println(f+":", v)
			code = 1
		}
	}
	return code
}

// keep writes a history to a file from which judgeAgain reads it, together with that of the undisturbed run.
func keep(file string, h, calm judge.History) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	b, err := json.MarshalIndent(map[string]judge.History{"drilled": h, "calm": calm}, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o644)
}
