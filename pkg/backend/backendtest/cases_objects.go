package backendtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

var objectCases = []testCase{
	{"missing-object", nil, missingObject},
	{"empty-object", writes, emptyObject},
	{"reads", writes, readRanges},
	{"replaced-source", writes, replacedSource},
	{"deleted-source", deletes, deletedSource},
	{"replaced-object", writes, replacedObject},
	{"put-checksum", func(i backend.Info) bool { return writes(i) && len(i.Checksums) > 0 }, putChecksum},
	{"metadata", writes, metadata},
	{"mod-time", func(i backend.Info) bool { return writes(i) && i.Can.ModTime }, modTime},
	{"delete", deletes, deleteObject},
	{"delete-all", func(i backend.Info) bool { return deletes(i) && i.Can.DeleteAll }, deleteAll},
	{"same-container", writes, sameContainer},
	{"concurrent-use", writes, concurrentUse},
}

func missingObject(r *run) error {
	r.absent(r.key("nothing"), "before anything was written")
	_, err := r.s.ReadAt(r.ctx, backend.Object{Key: r.key("nothing"), Size: 5, Version: "1"}, make([]byte, 5), 0)
	if !errors.Is(err, backend.Changed) && !errors.Is(err, backend.NotFound) {
		r.errorf("read of an object that never was: %w", errOr(err))
	}
	if r.info.Can.Delete {
		r.fails(r.s.Delete(r.ctx, backend.Object{Key: r.key("nothing")}), backend.NotFound, "delete what is not there")
		versioned := backend.Object{Key: r.key("nothing"), Version: "1"}
		r.fails(r.s.Delete(r.ctx, versioned), backend.NotFound, "delete a version of what is not there")
	}
	return nil
}

// errOr makes an error of a missing one, for a message.
func errOr(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}

func emptyObject(r *run) error {
	o, p, err := r.put(r.key("empty"), 0)
	if err != nil {
		return err
	}
	r.holds(o.Key, p)
	if n, err := r.s.ReadAt(r.ctx, o, make([]byte, 3), 0); n != 0 || !same(err, io.EOF) {
		r.errorf("read of an empty object: %d, %v; want 0 and a bare io.EOF", n, err)
	}
	_, err = r.s.Put(r.ctx, r.key("nil"), nil, backend.PutOptions{Checksum: r.sum(nil)})
	if err != nil {
		r.errorf("put nil: %w", err)
	}
	return nil
}

// readRanges reads as Put describes the object, and as Stat does.
func readRanges(r *run) error {
	put, p, err := r.put(r.key("object"), 5000)
	if err != nil {
		return err
	}
	stat, err := r.s.Stat(r.ctx, put.Key)
	if err != nil {
		return err
	}
	r.readsRanges(put, edgesOf(p))
	r.readsRanges(stat, edgesOf(p))
	return nil
}

// replacedSource replaces an object between Stat and the first read, and between two reads: each time no byte of the new
// version may come under the name of the old one. Both versions are as long, and they follow each other at once.
func replacedSource(r *run) error {
	key := r.key("source")
	old, p, err := r.put(key, 3000)
	if err != nil {
		return err
	}
	buf := make([]byte, 1000)
	if _, err := r.s.ReadAt(r.ctx, old, buf, 0); err != nil || !bytes.Equal(buf, p[:1000]) {
		r.errorf("read before the source was replaced: %v", err)
	}
	for i := range 3 {
		next, p, err := r.put(key, 3000)
		if err != nil {
			return err
		}
		if next.Version == old.Version {
			r.errorf("replacement %d has the version of what it replaced: %q", i+1, old.Version)
		}
		r.refusesVersion(old, "a version that was replaced")
		r.holds(key, p)
		old = next
	}
	return nil
}

func deletedSource(r *run) error {
	o, _, err := r.put(r.key("source"), 3000)
	if err != nil {
		return err
	}
	if err := r.s.Delete(r.ctx, o); err != nil {
		return err
	}
	_, err = r.s.ReadAt(r.ctx, o, make([]byte, 10), 0)
	r.fails(err, backend.Changed, "read of a version that was deleted")
	return nil
}

func replacedObject(r *run) error {
	for _, size := range []int64{100, 50, 200, 0, 1} {
		_, p, err := r.put(r.key("object"), size)
		if err != nil {
			return err
		}
		r.holds(r.key("object"), p)
	}
	return nil
}

// putChecksum gives each algorithm that the container verifies a right and a wrong checksum.
func putChecksum(r *run) error {
	for _, a := range r.info.Checksums {
		p := r.bytes(1000)
		if Sum(a, p) == "" {
			return fmt.Errorf("the suite does not know the checksum algorithm %q", a)
		}
		key := r.key(string(a))
		_, err := r.s.Put(r.ctx, key, p, backend.PutOptions{Checksum: Sum(a, r.bytes(1000))})
		r.fails(err, backend.Corrupt, "put with a wrong %s", a)
		r.absent(key, "after a put with a wrong checksum")
		if _, err := r.s.Put(r.ctx, key, p, backend.PutOptions{Checksum: Sum(a, p)}); err != nil {
			r.errorf("put with a right %s: %w", a, err)
			continue
		}
		_, err = r.s.Put(r.ctx, key, r.bytes(1000), backend.PutOptions{Checksum: Sum(a, r.bytes(1000))})
		r.fails(err, backend.Corrupt, "replace with a wrong %s", a)
		r.holds(key, p)
	}
	return nil
}

func metaOfCase() map[string]string {
	return map[string]string{"hx-run": "01J-abc", "note": "two words, a=b; 100%", "empty-not": "x"}
}

// metadata is kept by Put, by an upload and by Copy, and goes when the object is replaced without.
func metadata(r *run) error {
	check := func(key, how string) {
		o, err := r.s.Stat(r.ctx, key)
		if err != nil {
			r.errorf("stat after %s: %w", how, err)
			return
		}
		for k, v := range metaOfCase() {
			if o.Meta[k] != v {
				r.errorf("after %s, metadata %q is %q, want %q", how, k, o.Meta[k], v)
			}
		}
		for k := range o.Meta {
			if k != strings.ToLower(k) {
				r.errorf("after %s, metadata key %q is not in lower case", how, k)
			}
		}
	}
	key := r.key("put")
	if _, err := r.s.Put(r.ctx, key, r.bytes(10), backend.PutOptions{Meta: metaOfCase()}); err != nil {
		return err
	}
	check(key, "put")
	if copies(r.info) && r.o.Locate != nil {
		if _, err := r.s.Copy(r.ctx, r.o.Locate(key), "", r.key("copy"), backend.CopyOptions{Meta: metaOfCase()}); err != nil {
			return err
		}
		check(r.key("copy"), "copy")
	}
	if _, _, err := r.put(key, 10); err != nil {
		return err
	}
	if o, err := r.s.Stat(r.ctx, key); err != nil || o.Meta["hx-run"] != "" {
		r.errorf("the metadata of a replaced object stayed: %v, %v", o.Meta, err)
	}
	if !uploads(r.info) {
		return nil
	}
	o := backend.UploadOptions{Size: 100, PartSize: r.partSize(), Meta: metaOfCase()}
	if err := r.uploadOne(r.key("upload"), o, r.bytes(100)); err != nil {
		return err
	}
	check(r.key("upload"), "upload")
	return nil
}

// uploadOne uploads an object of one part.
func (r *run) uploadOne(key string, o backend.UploadOptions, p []byte) error {
	u, err := r.s.CreateUpload(r.ctx, key, o)
	if err != nil {
		return err
	}
	part, err := r.s.UploadPart(r.ctx, u, 1, p, r.sum(p))
	if err != nil {
		return err
	}
	_, err = r.s.CompleteUpload(r.ctx, u, []backend.Part{part}, backend.CompleteOptions{ModTime: o.ModTime})
	return err
}

func modTime(r *run) error {
	want := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	check := func(key, how string) {
		o, err := r.s.Stat(r.ctx, key)
		if err != nil || !o.ModTime.Equal(want) {
			r.errorf("after %s, the modification time is %v, %v; want %v", how, o.ModTime, err, want)
		}
	}
	key := r.key("put")
	if _, err := r.s.Put(r.ctx, key, r.bytes(10), backend.PutOptions{ModTime: want}); err != nil {
		return err
	}
	check(key, "put")
	if copies(r.info) && r.o.Locate != nil {
		if _, err := r.s.Copy(r.ctx, r.o.Locate(key), "", r.key("copy"), backend.CopyOptions{ModTime: want}); err != nil {
			return err
		}
		check(r.key("copy"), "copy")
	}
	if !uploads(r.info) {
		return nil
	}
	o := backend.UploadOptions{Size: 100, PartSize: r.partSize(), ModTime: want}
	if err := r.uploadOne(r.key("upload"), o, r.bytes(100)); err != nil {
		return err
	}
	check(r.key("upload"), "upload")
	return nil
}

// deleteAll deletes several at once, of which one is missing and one was replaced.
func deleteAll(r *run) error {
	var objs []backend.Object
	for _, name := range []string{"a", "b", "c"} {
		o, _, err := r.put(r.key(name), 100)
		if err != nil {
			return err
		}
		objs = append(objs, o)
	}
	_, p, err := r.put(r.key("b"), 200)
	if err != nil {
		return err
	}
	objs[2].Version = ""
	objs = append(objs, backend.Object{Key: r.key("none")})
	errs := r.s.DeleteAll(r.ctx, objs)
	if len(errs) != len(objs) {
		return fmt.Errorf("delete %d objects at once: %d answers", len(objs), len(errs))
	}
	if errs[0] != nil || errs[2] != nil {
		r.errorf("delete of two that are there among others: %w", errors.Join(errs[0], errs[2]))
	}
	r.fails(errs[1], backend.Changed, "delete of one that was replaced among others")
	r.fails(errs[3], backend.NotFound, "delete of one that is not there among others")
	r.holds(r.key("b"), p)
	for _, name := range []string{"a", "c"} {
		_, err := r.s.Stat(r.ctx, r.key(name))
		r.fails(err, backend.NotFound, "stat of one that was deleted among others")
	}
	if errs := r.s.DeleteAll(r.ctx, nil); len(errs) != 0 {
		r.errorf("delete of nothing: %d answers", len(errs))
	}
	return nil
}

func deleteObject(r *run) error {
	key := r.key("object")
	old, _, err := r.put(key, 100)
	if err != nil {
		return err
	}
	now, p, err := r.put(key, 100)
	if err != nil {
		return err
	}
	r.fails(r.s.Delete(r.ctx, old), backend.Changed, "delete a version that was replaced")
	r.holds(key, p)
	if err := r.s.Delete(r.ctx, now); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	r.absent(key, "after delete")
	r.fails(r.s.Delete(r.ctx, now), backend.NotFound, "delete again")
	if _, _, err := r.put(key, 100); err != nil {
		return err
	}
	if err := r.s.Delete(r.ctx, backend.Object{Key: key}); err != nil {
		r.errorf("delete without a version: %w", err)
	}
	r.absent(key, "after delete without a version")
	return nil
}

// sameContainer looks at an object through a new value of the container.
func sameContainer(r *run) error {
	o, p, err := r.put(r.key("object"), 100)
	if err != nil {
		return err
	}
	again, err := r.reopen()
	if err != nil {
		return err
	}
	seen, err := again.Stat(r.ctx, o.Key)
	if err != nil {
		return fmt.Errorf("a second value of the container does not see the object (open must return the same container each time): %w", err)
	}
	if seen.Version != o.Version {
		r.errorf("a second value of the container gives version %q, the first gave %q", seen.Version, o.Version)
	}
	buf := make([]byte, len(p))
	if _, err := again.ReadAt(r.ctx, o, buf, 0); err != nil && !same(err, io.EOF) || !bytes.Equal(buf, p) {
		r.errorf("a read through a second value: %v, %s", err, differ(buf, p))
	}
	return nil
}

// concurrentUse calls all methods at the same time, each worker on keys of its own.
func concurrentUse(r *run) error {
	const workers, rounds = 8, 4
	var wg sync.WaitGroup
	shared, p, err := r.put(r.key("shared"), 10_000)
	if err != nil {
		return err
	}
	start := make(chan struct{})
	for i := range workers {
		wg.Go(func() {
			<-start
			for round := range rounds {
				r.reads(shared, p)
				o, q, err := r.put(r.key(fmt.Sprintf("worker%d", i)), int64(100*i+round))
				if err != nil {
					r.errorf("put by worker %d: %w", i, err)
					return
				}
				r.holds(o.Key, q)
				if !r.info.Can.Delete {
					continue
				}
				if err := r.s.Delete(r.ctx, o); err != nil {
					r.errorf("delete by worker %d: %w", i, err)
				}
			}
		})
	}
	close(start)
	wg.Wait()
	return nil
}
