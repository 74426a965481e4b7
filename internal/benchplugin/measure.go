package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

// workload is calls of one kind.
type workload struct {
	name     string
	size     int // bytes of a call
	parallel int // calls in flight
	calls    int // in each round
	prepare  prepare
}

// sample is one measurement, in seconds of one call.
type sample struct{ wall, processor float64 }

const (
	longest = 7 * time.Second // of a comparison: on a busy machine there are fewer rounds
	fewest  = 3               // rounds
)

// compare measures a workload in two ways in turn, there and back, so that what changes slowly
// on the machine meets both alike. Both have the bytes in the same memory, and no third way comes between: it would count who
// finds them in the cache of the processor. It returns the samples of each way by round.
func (b *bench) compare(ctx context.Context, w workload, pair [2]way) (samples [2][]sample, err error) {
	lent, err := b.buffers(w)
	if err != nil {
		return samples, err
	}
	defer b.giveBack(lent)
	var calls [2]caller
	for i, way := range pair {
		call, finish, err := w.prepare(ctx, way.storage)
		if err != nil {
			return samples, fmt.Errorf("%s, %s: %w", w.name, way.name, err)
		}
		defer finish() //nolint:errcheck // the folder is removed anyway, and the server keeps nothing
		calls[i] = call
	}
	patience := longest
	if pair[1].name == inline { // ten times as slow, and not to be known as exactly
		patience, w.calls = longest/3, w.calls/4
	}
	for turn, began := 0, time.Now(); turn < 2*(b.rounds+1); turn++ {
		i := (turn + turn/2) % 2 // 0 1 1 0 0 1 1 0
		if turn%2 == 0 && turn > 2*fewest && time.Since(began) > patience {
			break
		}
		var s sample
		pprof.Do(ctx, pprof.Labels("way", pair[i].name, "work", w.name), func(ctx context.Context) {
			s, err = once(ctx, w, pair[i].guest, lent, calls[i])
		})
		if err != nil {
			return samples, fmt.Errorf("%s, %s: %w", w.name, pair[i].name, err)
		}
		if turn > 1 { // the first round warms up
			samples[i] = append(samples[i], s)
		}
	}
	return samples, nil
}

// filled is a buffer with its checksum before the first call.
type filled struct {
	p   []byte
	sum backend.Checksum
}

// buffers are one for each call in flight.
func (b *bench) buffers(w workload) (all []filled, err error) {
	pattern := backendtest.NewPattern(1)
	for range w.parallel {
		p := b.arena.Buffer(w.size)
		if p == nil {
			return nil, errors.New("the arena is full")
		}
		if _, err := pattern.ReadAt(p, 0); err != nil {
			return nil, err
		}
		all = append(all, filled{p, backend.SumCRC32C(p)})
	}
	return all, nil
}

func (b *bench) giveBack(lent []filled) {
	for _, f := range lent {
		b.arena.Release(f.p)
	}
}

// once makes the calls of one round and measures them.
func once(ctx context.Context, w workload, guest int, buffers []filled, call caller) (sample, error) {
	before, err := bothTimes(guest)
	if err != nil {
		return sample{}, err
	}
	started := time.Now()
	var next atomic.Int64
	var workers sync.WaitGroup
	errs := make([]error, len(buffers))
	for i, f := range buffers {
		workers.Go(func() {
			for n := int(next.Add(1)) - 1; n < w.calls && errs[i] == nil; n = int(next.Add(1)) - 1 {
				errs[i] = call(ctx, n, f.p, f.sum)
			}
		})
	}
	workers.Wait()
	wall := time.Since(started)
	after, err := bothTimes(guest)
	s := sample{wall.Seconds() / float64(w.calls), (after - before).Seconds() / float64(w.calls)}
	return s, errors.Join(append(errs, err)...)
}

// bothTimes is the processor time of this process and of a plugin, if there is one.
func bothTimes(guest int) (time.Duration, error) {
	own, err := processorTime(os.Getpid())
	if err != nil || guest == 0 {
		return own, err
	}
	other, err := processorTime(guest)
	return own + other, err
}
