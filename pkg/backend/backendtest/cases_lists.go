package backendtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

var listCases = []testCase{
	{"list-order", lists, listOrder},
	{"list-prefix", lists, listPrefix},
	{"list-many", lists, listMany},
	{"list-break", lists, listBreak},
	{"list-while-writing", lists, listWhileWriting},
}

// fill stores an object under each name, several at once, and returns the keys in order.
func (r *run) fill(names []string) ([]string, error) {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs []error
		next = make(chan string)
	)
	workers := 16
	if c := r.info.Limits.Connections; c > 0 {
		workers = min(workers, c)
	}
	for range workers {
		wg.Go(func() {
			for key := range next {
				_, err := r.s.Put(r.ctx, key, []byte(key), backend.PutOptions{})
				if err != nil {
					mu.Lock()
					errs = append(errs, fmt.Errorf("put %q: %w", key, err))
					mu.Unlock()
				}
			}
		})
	}
	var keys []string
	for _, i := range rand.Perm(len(names)) {
		keys = append(keys, r.key(names[i]))
		next <- r.key(names[i])
	}
	close(next)
	wg.Wait()
	slices.Sort(keys)
	return keys, errors.Join(errs...)
}

// lists checks that prefix lists exactly these keys, in this order.
func (r *run) lists(prefix string, want []string) {
	var got []string
	for o, err := range r.s.List(r.ctx, prefix) {
		if err != nil {
			r.errorf("list %q: %w", prefix, err)
			return
		}
		if o.Size != int64(len(o.Key)) || o.Version == "" {
			r.errorf("list %q gives %q with %d bytes, version %q; it has %d", prefix, o.Key, o.Size, o.Version, len(o.Key))
		}
		got = append(got, o.Key)
	}
	if len(got) < 100 && !slices.Equal(got, want) {
		r.errorf("list %q gives %q, want %q", prefix, got, want)
		return
	}
	for i := 1; i < len(got); i++ {
		if got[i-1] >= got[i] {
			r.errorf("list %q gives %q after %q", prefix, got[i], got[i-1])
			return
		}
	}
	if !slices.Equal(got, want) {
		r.errorf("list %q gives %d keys, want %d", prefix, len(got), len(want))
	}
}

// listOrder has keys whose order is another one by folders, by letters or by number.
func listOrder(r *run) error {
	keys, err := r.fill([]string{
		"a-x", "a.x", "a/b/c", "a/b-c", "a/b.c", "a/b0", "a0", "aa", "B", "b", "Z", "_", "10", "9", "1", "a b", "a!b",
		"\u00e9", "e", "f", "~", "z/z/z/z", "z-/a",
	})
	if err != nil {
		return err
	}
	r.lists(r.prefix, keys)
	return nil
}

// listPrefix has prefixes that end within a name.
func listPrefix(r *run) error {
	keys, err := r.fill([]string{"a/b", "a/bc", "a/b.d", "a/b-e/f", "a/bd/g", "a/c", "ab", "b"})
	if err != nil {
		return err
	}
	for _, prefix := range []string{"", "a", "a/", "a/b", "a/bc", "a/bd", "a/bd/", "a/bd/g", "a/b-", "b", "c", "a/bc/", "a/x/y", "bb"} {
		var want []string
		for _, key := range keys {
			if strings.HasPrefix(key, r.key(prefix)) {
				want = append(want, key)
			}
		}
		r.lists(r.key(prefix), want)
	}
	return nil
}

// listMany has one object more than a page of the usual services.
func listMany(r *run) error {
	var names []string
	for i := range r.o.Objects {
		names = append(names, fmt.Sprintf("%d", i))
	}
	keys, err := r.fill(names)
	if err != nil {
		return err
	}
	r.lists(r.prefix, keys)
	one := r.key("1")
	r.lists(one, slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return !strings.HasPrefix(key, one) }))

	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	n := 0
	var last error
	for _, err := range r.s.List(ctx, r.prefix) {
		if last != nil {
			r.errorf("a list goes on after its error")
			break
		}
		if last = err; err == nil {
			n++
		}
		if n == 5 {
			cancel()
		}
	}
	if last != nil {
		r.fails(last, backend.Canceled, "list whose context ends in the middle")
	} else if n < len(keys) {
		r.errorf("a list whose context ends in the middle stops after %d of %d without an error", n, len(keys))
	}
	return nil
}

// listBreak leaves loops early, many times, and looks for goroutines that wait for somebody to go on.
func listBreak(r *run) error {
	keys, err := r.fill([]string{"a", "b", "c", "d/e", "d/f", "g"})
	if err != nil {
		return err
	}
	leave := func() {
		for stop := 1; stop <= len(keys); stop++ {
			var got []string
			for o, err := range r.s.List(r.ctx, r.prefix) {
				if err != nil {
					r.errorf("list: %w", err)
					return
				}
				if got = append(got, o.Key); len(got) == stop {
					break
				}
			}
			if !slices.Equal(got, keys[:stop]) {
				r.errorf("the first %d of a list are %q, want %q", stop, got, keys[:stop])
			}
		}
	}
	leave() // opens the connections that are kept for reuse
	const rounds, tolerated = 10, 20
	before := runtime.NumGoroutine()
	for range rounds {
		leave()
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(3 * time.Second)
	for runtime.NumGoroutine() > before+tolerated {
		if time.Now().After(deadline) {
			return fmt.Errorf("%d lists that were left early left %d goroutines", rounds*len(keys), runtime.NumGoroutine()-before)
		}
		<-tick.C
	}
	return nil
}

// listWhileWriting calls methods from within the loop. An object that is there throughout must be listed.
func listWhileWriting(r *run) error {
	keys, err := r.fill([]string{"a", "c", "e"})
	if err != nil {
		return err
	}
	var got []string
	for o, err := range r.s.List(r.ctx, r.prefix) {
		if err != nil {
			return err
		}
		if slices.Contains(keys, o.Key) {
			got = append(got, o.Key)
		}
		if _, err := r.s.Stat(r.ctx, o.Key); err != nil {
			r.errorf("stat within a list: %w", err)
		}
		if _, err := r.s.Put(r.ctx, r.key("0"+o.Key[len(r.prefix):]), nil, backend.PutOptions{}); err != nil {
			r.errorf("put within a list: %w", err)
		}
	}
	if !slices.Equal(got, keys) {
		r.errorf("objects come while a list runs, and it gives %q, want at least %q", got, keys)
	}
	return nil
}
