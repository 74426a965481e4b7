package backendtest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

var conditionCases = []testCase{
	{"put-if-absent", func(i backend.Info) bool { return writes(i) && i.Can.PutIfAbsent }, putIfAbsent},
	{"put-if-version", func(i backend.Info) bool { return writes(i) && i.Can.IfVersion }, putIfVersion},
	{"complete-if-absent", func(i backend.Info) bool { return uploads(i) && i.Can.CompleteIfAbsent }, completeIfAbsent},
	{"complete-if-version", func(i backend.Info) bool { return uploads(i) && i.Can.IfVersion }, completeIfVersion},
	{"copy-if-absent", func(i backend.Info) bool { return copies(i) && i.Can.CompleteIfAbsent }, copyIfAbsent},
}

const racers = 20

func ifAbsent() backend.Condition { return backend.Condition{Absent: true} }

// race lets 20 writers write a key that must be absent. Exactly one may win, and its object must be the one that is there.
// A writer repeats what failed for a reason that passes.
func (r *run) race(key string, content [racers][]byte, write func(ctx context.Context, i int) (backend.Object, error)) {
	var (
		wg      sync.WaitGroup
		start   = make(chan struct{})
		objects [racers]backend.Object
		errs    [racers]error
	)
	for i := range racers {
		wg.Go(func() {
			<-start
			for range 20 {
				objects[i], errs[i] = write(r.ctx, i)
				if !backend.KindOf(errs[i]).Temporary() {
					return
				}
			}
		})
	}
	close(start)
	wg.Wait()
	winners := 0
	for i, err := range errs {
		if err != nil {
			r.fails(err, backend.Exists, "writer %d of %d", i+1, racers)
			continue
		}
		winners++
		r.holds(key, content[i])
		if now, err := r.s.Stat(r.ctx, key); err != nil || now.Version != objects[i].Version {
			r.errorf("the winner got version %q, now it is %q, %v", objects[i].Version, now.Version, err)
		}
	}
	if winners != 1 {
		r.errorf("%d of %d writers won, want exactly one", winners, racers)
	}
}

func putIfAbsent(r *run) error {
	var content [racers][]byte
	for i := range content {
		content[i] = r.bytes(int64(1000 + i))
	}
	key := r.key("object")
	r.race(key, content, func(ctx context.Context, i int) (backend.Object, error) {
		return r.s.Put(ctx, key, content[i], backend.PutOptions{If: ifAbsent()})
	})
	return nil
}

func completeIfAbsent(r *run) error {
	var (
		content [racers][]byte
		ups     [racers]backend.Upload
		parts   [racers][]backend.Part
		err     error
	)
	key := r.key("object")
	for i := range content {
		content[i] = r.bytes(int64(1000 + i))
		if ups[i], parts[i], err = r.upload(key, content[i]); err != nil {
			return err
		}
	}
	complete := func(ctx context.Context, i int) (backend.Object, error) {
		return r.s.CompleteUpload(ctx, ups[i], parts[i], backend.CompleteOptions{If: ifAbsent(), Checksum: r.whole(content[i])})
	}
	r.race(key, content, complete)
	if !r.verifies(backend.CRC32C) {
		return nil
	}
	wins := 0
	for i := range racers {
		if _, err := complete(r.ctx, i); err == nil {
			wins++
		} else if !errors.Is(err, backend.NotFound) { // the container may have dropped the upload
			r.fails(err, backend.Exists, "complete again after the race")
		}
	}
	if wins != 1 {
		r.errorf("%d of %d completes succeed when repeated, want only the one that had won", wins, racers)
	}
	return nil
}

func copyIfAbsent(r *run) error {
	if r.o.Locate == nil {
		return errNoLocate
	}
	var content [racers][]byte
	for i := range content {
		var err error
		if _, content[i], err = r.put(r.key(fmt.Sprintf("source%d", i)), int64(1000+i)); err != nil {
			return err
		}
	}
	key := r.key("object")
	r.race(key, content, func(ctx context.Context, i int) (backend.Object, error) {
		from := r.o.Locate(r.key(fmt.Sprintf("source%d", i)))
		return r.s.Copy(ctx, from, "", key, backend.CopyOptions{If: ifAbsent()})
	})
	return nil
}

var errNoLocate = errors.New("Info.CopyFrom is not empty: set CheckOptions.Locate, so that Copy can be checked")

// putIfVersion replaces what is there, and neither what was there before nor what was never there.
func putIfVersion(r *run) error {
	key := r.key("object")
	put := func(version string) (backend.Object, []byte, error) {
		p := r.bytes(1000)
		o, err := r.s.Put(r.ctx, key, p, backend.PutOptions{If: backend.Condition{Version: version}})
		return o, p, err
	}
	first, _, err := r.put(key, 1000)
	if err != nil {
		return err
	}
	second, p, err := put(first.Version)
	if err != nil {
		return fmt.Errorf("replace the current version: %w", err)
	}
	r.holds(key, p)
	_, _, err = put(first.Version)
	r.fails(err, backend.Changed, "replace a version that was replaced before")
	r.holds(key, p)
	if !r.info.Can.Delete {
		return nil
	}
	if err := r.s.Delete(r.ctx, second); err != nil {
		return err
	}
	_, _, err = put(second.Version)
	r.fails(err, backend.Changed, "replace a version that was deleted")
	r.absent(key, "after a put on a deleted version")
	return nil
}

func completeIfVersion(r *run) error {
	key := r.key("object")
	first, _, err := r.put(key, 900)
	if err != nil {
		return err
	}
	data := r.bytes(1000)
	u, parts, err := r.upload(key, data)
	if err != nil {
		return err
	}
	second, p, err := r.put(key, 901)
	if err != nil {
		return err
	}
	complete := func(version string) error {
		_, err := r.s.CompleteUpload(r.ctx, u, parts, backend.CompleteOptions{If: backend.Condition{Version: version}})
		return err
	}
	r.fails(complete(first.Version), backend.Changed, "complete on a version that was replaced")
	r.holds(key, p)
	if err := complete(second.Version); err != nil {
		return fmt.Errorf("complete on the current version: %w", err)
	}
	r.holds(key, data)
	return nil
}
