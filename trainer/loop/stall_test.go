package loop

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"plumbline.dev/plumbline/trainer/watchdog"
)

// A step that hangs is noticed although nothing of the loop runs any more: not before it is time, and with a word on what was done last.
func TestAStepThatHangsIsNoticed(t *testing.T) {
	tr := newTrial(t)
	dog := watchdog.New(100 * time.Second)
	tr.worked = dog.Worked
	ticks, stalls := make(chan time.Time), make(chan watchdog.Stall, 1)
	stop := dog.Watch(ticks, func(s watchdog.Stall) { stalls <- s })
	defer stop()

	hangs, released := make(chan struct{}), make(chan struct{})
	model := tr.logistic()
	model.after = func(steps, _ int) {
		if steps == 8 { // the third of the second epoch: it has been computed and never comes back
			close(hangs)
			<-released
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		_, err := tr.run(ctx, model)
		ended <- err
	}()
	<-hangs
	now := time.Unix(1_700_000_000, 0)
	for i := 0; len(stalls) == 0; i++ {
		if i > 1000 {
			t.Fatal("nobody noticed")
		}
		select {
		case ticks <- now:
			now = now.Add(dog.Every())
		case s := <-stalls:
			stalls <- s
		}
	}
	s := <-stalls
	// The checkpoint of epoch 1 is written in the background and may be what came to its end last.
	if waited := now.Sub(time.Unix(1_700_000_000, 0)); waited < 100*time.Second || s.Epoch != 1 ||
		!strings.Contains(s.Error(), "since step 2 of epoch 2") && !strings.Contains(s.Error(), "checkpoint of step 5") {
		t.Errorf("after %v: %+v", waited, s)
	}
	cancel()
	close(released)
	if err := <-ended; !errors.Is(err, ErrInterrupted) {
		t.Error(err)
	}
}

// Whatever a trial does for long tells that it is being done.
func TestWorkIsToldOf(t *testing.T) {
	tr := newTrial(t)
	var mu sync.Mutex
	var done []string
	tr.worked = func(_ int, what string) {
		mu.Lock()
		defer mu.Unlock()
		done = append(done, what)
	}
	if _, err := tr.run(context.Background(), tr.logistic()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"step 1 of epoch 1", "step 5 of epoch 4", "a batch of the re-estimation before epoch 2", "a batch of the evaluation after 5 steps",
		"the writing of the best checkpoint of step 5", "the writing of the resume checkpoint of step 20",
	} {
		if !slices.Contains(done, want) {
			t.Errorf("nothing was told of %s: %q", want, done)
		}
	}
}
