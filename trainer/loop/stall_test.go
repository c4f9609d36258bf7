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

// The watchdog notices a step that hangs, although the loop does not run any more. It waits for its limit, and names
// the last work that ended.
func TestTheWatchdogNoticesAStepThatHangs(t *testing.T) {
	tr := newTrial(t)
	dog := watchdog.New(100 * time.Second)
	tr.worked = dog.Worked
	ticks, stalls := make(chan time.Time), make(chan watchdog.Stall, 1)
	stop := dog.Watch(ticks, func(s watchdog.Stall) { stalls <- s })
	defer stop()

	hangs, released := make(chan struct{}), make(chan struct{})
	model := tr.logistic()
	model.after = func(steps, _ int) {
		if steps == 8 { // the third of the second epoch: it has been computed, but its call does not return
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
			t.Fatal("the watchdog reports no stall")
		}
		select {
		case ticks <- now:
			now = now.Add(dog.Every())
		case s := <-stalls:
			stalls <- s
		}
	}
	s := <-stalls
	if waited := now.Sub(time.Unix(1_700_000_000, 0)); waited < 100*time.Second || s.Epoch != 1 {
		t.Errorf("after %v: %+v", waited, s)
	}
	// The checkpoint of epoch 1 is written in the background, and may have ended last.
	text := s.Error()
	if !strings.Contains(text, "since step 2 of epoch 2") && !strings.Contains(text, "checkpoint of step 5") {
		t.Errorf("the stall says %q", text)
	}
	cancel()
	close(released)
	if err := <-ended; !errors.Is(err, ErrInterrupted) {
		t.Error(err)
	}
}

// Every long piece of work calls Worked when a part of it has ended.
func TestLongWorkCallsWorked(t *testing.T) {
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
		"step 1 of epoch 1",
		"step 5 of epoch 4",
		"a batch of the re-estimation before epoch 2",
		"a batch of the evaluation after 5 steps",
		"the writing of the best checkpoint of step 5",
		"the writing of the resume checkpoint of step 20",
	} {
		if !slices.Contains(done, want) {
			t.Errorf("Worked was not called for %s: %q", want, done)
		}
	}
}
