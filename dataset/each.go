// Parallel work: loading a set mostly costs the reading and decoding of images, and every capture can
// be read independently of the others.

package dataset

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// each calls work(0) to work(n-1) on as many goroutines as there are processors. It returns the problems in the order
// of the indices, and not in the order in which the calls end. The first error ends the work and is returned. progress
// may be nil; its calls do not overlap.
func each(
	ctx context.Context, n int, progress func(done, total int), work func(i int) (problems, error),
) (problems, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	found := make([]problems, n)
	var next atomic.Int64
	var mu sync.Mutex // guards done and progress
	done := 0
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || ctx.Err() != nil {
					return
				}
				ps, err := work(i)
				if err != nil {
					cancel(err)
					return
				}
				found[i] = ps
				if progress != nil {
					mu.Lock()
					done++
					progress(done, n)
					mu.Unlock()
				}
			}
		})
	}
	workers.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	var all problems
	for _, ps := range found {
		all = append(all, ps...)
	}
	return all, nil
}
