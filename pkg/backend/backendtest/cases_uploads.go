package backendtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

func anyOrder(i backend.Info) bool { return uploads(i) && !i.Can.Sequential }

func listsParts(i backend.Info) bool { return uploads(i) && i.Can.ListParts }

var uploadCases = []testCase{
	{"upload-in-order", uploads, uploadInOrder},
	{"parts-in-any-order", anyOrder, partsInAnyOrder},
	{"parts-replaced", anyOrder, partsReplaced},
	{"parts-in-parallel", anyOrder, partsInParallel},
	{"parts-from-new-value", listsParts, partsFromNewValue},
	{"part-number", uploads, partNumber},
	{"part-checksum", func(i backend.Info) bool { return uploads(i) && len(i.Checksums) > 0 }, partChecksum},
	{"two-uploads-of-one-key", uploads, twoUploadsOfOneKey},
	{"list-uploads", func(i backend.Info) bool { return uploads(i) && i.Can.ListUploads }, listUploads},
	{"abort-twice", uploads, abortTwice},
	{"upload-after-abort", uploads, uploadAfterAbort},
	{"upload-after-complete", uploads, uploadAfterComplete},
}

func uploadInOrder(r *run) error {
	for parts := 1; parts <= 3; parts++ {
		data := r.content(parts)
		if parts == 2 {
			data = r.bytes(2 * r.partSize()) // the last part is as long as the others
		}
		key := r.key(fmt.Sprintf("object%d", parts))
		u, list, err := r.upload(key, data)
		if err != nil {
			return err
		}
		o, err := r.complete(u, list, data)
		if err != nil {
			return fmt.Errorf("complete %d parts: %w", parts, err)
		}
		r.holds(key, data)
		if now, err := r.s.Stat(r.ctx, key); err != nil || now.Version != o.Version {
			r.errorf("complete gives version %q, stat %q, %v", o.Version, now.Version, err)
		}
	}
	return nil
}

func partsInAnyOrder(r *run) error {
	key, data := r.key("object"), r.content(4)
	u, err := r.create(key, data)
	if err != nil {
		return err
	}
	parts := make([]backend.Part, 4)
	for _, n := range []int{4, 2, 3, 1} {
		if parts[n-1], err = r.part(u, data, n); err != nil {
			return err
		}
	}
	r.partsAre(r.s.Storage, u, parts)
	if _, err := r.complete(u, parts, data); err != nil {
		return err
	}
	r.holds(key, data)
	return nil
}

// partsAre checks that the container lists exactly these parts in ascending order.
func (r *run) partsAre(s backend.Storage, u backend.Upload, want []backend.Part) {
	if !r.info.Can.ListParts {
		return
	}
	got, err := collect(s.ListParts(r.ctx, u))
	if err != nil {
		r.errorf("list parts: %w", err)
		return
	}
	if !slices.EqualFunc(got, want, func(a, b backend.Part) bool {
		return a.Number == b.Number && a.Size == b.Size && a.Tag == b.Tag && !a.Checksum.Contradicts(b.Checksum)
	}) {
		r.errorf("the parts are listed as %+v, want %+v", got, want)
	}
}

// partsReplaced sends parts again: the same bytes, and others of the same length. The last sent is what counts.
func partsReplaced(r *run) error {
	key, data := r.key("object"), r.content(3)
	u, parts, err := r.upload(key, r.bytes(int64(len(data))))
	if err != nil {
		return err
	}
	for i, n := range []int{2, 1, 3, 2} {
		old := parts[n-1]
		if parts[n-1], err = r.part(u, data, n); err != nil {
			return fmt.Errorf("replace part %d: %w", n, err)
		}
		if i < 3 && old.Tag == parts[n-1].Tag {
			r.errorf("a part of other bytes has the tag of the one that it replaced: %q", old.Tag)
		}
	}
	r.partsAre(r.s.Storage, u, parts)
	if _, err := r.complete(u, parts, data); err != nil {
		return err
	}
	r.holds(key, data)
	return nil
}

func partsInParallel(r *run) error {
	const workers, count = 8, 9
	key, data := r.key("object"), r.content(count)
	u, err := r.create(key, data)
	if err != nil {
		return err
	}
	var (
		wg    sync.WaitGroup
		parts [count]backend.Part
		errs  [count]error
		next  = make(chan int, count)
	)
	for n := 1; n <= count; n++ {
		next <- n
	}
	close(next)
	for range workers {
		wg.Go(func() {
			buf := make([]byte, r.partSize()) // used again for the next part, as a pool does
			for n := range next {
				p := buf[:copy(buf, r.piece(data, n))]
				parts[n-1], errs[n-1] = r.s.UploadPart(r.ctx, u, n, p, r.sum(p))
				clear(buf)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	r.partsAre(r.s.Storage, u, parts[:])
	if _, err := r.complete(u, parts[:], data); err != nil {
		return err
	}
	r.holds(key, data)
	return nil
}

// partsFromNewValue goes on with an upload as another process does: with a new value of the container and an Upload that
// went through JSON.
func partsFromNewValue(r *run) error {
	key, data := r.key("object"), r.content(3)
	u, err := r.create(key, data)
	if err != nil {
		return err
	}
	first, err := r.part(u, data, 1)
	if err != nil {
		return err
	}
	second, err := r.part(u, data, 2)
	if err != nil {
		return err
	}
	s, err := r.reopen()
	if err != nil {
		return err
	}
	text, err := json.Marshal(u)
	if err != nil {
		return err
	}
	var again backend.Upload
	if err := json.Unmarshal(text, &again); err != nil {
		return err
	}
	r.partsAre(s, again, []backend.Part{first, second})
	parts, err := collect(s.ListParts(r.ctx, again))
	if err != nil {
		return err
	}
	p := r.piece(data, 3)
	third, err := s.UploadPart(r.ctx, again, 3, bytes.Clone(p), r.sum(p))
	if err != nil {
		return fmt.Errorf("upload a part through a new value: %w", err)
	}
	o, err := s.CompleteUpload(r.ctx, again, append(parts, third), backend.CompleteOptions{Checksum: r.whole(data)})
	r.s.wrote(key)
	if err != nil {
		return fmt.Errorf("complete through a new value: %w", err)
	}
	r.describes(o, key, data)
	r.holds(key, data)
	return nil
}

// partNumber has numbers that no part can have.
func partNumber(r *run) error {
	data := r.content(1)
	u, err := r.create(r.key("object"), data)
	if err != nil {
		return err
	}
	for _, n := range []int{0, -1} {
		_, err := r.s.UploadPart(r.ctx, u, n, data, r.sum(data))
		r.fails(err, backend.Invalid, "upload part %d", n)
	}
	return nil
}

// partChecksum gives each algorithm that the container verifies a wrong and a right checksum.
func partChecksum(r *run) error {
	for _, a := range r.info.Checksums {
		data := r.content(1)
		key := r.key(string(a))
		u, err := r.create(key, data)
		if err != nil {
			return err
		}
		_, err = r.s.UploadPart(r.ctx, u, 1, data, Sum(a, r.content(1)))
		r.fails(err, backend.Corrupt, "upload a part with a wrong %s", a)
		r.partsAre(r.s.Storage, u, nil)
		part, err := r.s.UploadPart(r.ctx, u, 1, data, Sum(a, data))
		if err != nil {
			return fmt.Errorf("upload a part with a right %s: %w", a, err)
		}
		if !r.info.Can.Sequential {
			_, err = r.s.UploadPart(r.ctx, u, 1, r.content(1), Sum(a, data))
			r.fails(err, backend.Corrupt, "replace a part with a wrong %s", a)
			r.partsAre(r.s.Storage, u, []backend.Part{part})
		}
		if _, err := r.complete(u, []backend.Part{part}, data); err != nil {
			return err
		}
		r.holds(key, data)
	}
	return nil
}

// twoUploadsOfOneKey do not see each other; the one completed last counts.
func twoUploadsOfOneKey(r *run) error {
	key := r.key("object")
	data, other := r.content(2), r.content(2)
	u1, parts1, err := r.upload(key, data)
	if err != nil {
		return err
	}
	u2, parts2, err := r.upload(key, other)
	if err != nil {
		return err
	}
	if u1.ID == u2.ID {
		return fmt.Errorf("two uploads have the id %q", u1.ID)
	}
	r.partsAre(r.s.Storage, u1, parts1)
	if _, err := r.complete(u2, parts2, other); err != nil {
		return err
	}
	r.holds(key, other)
	if _, err := r.complete(u1, parts1, data); err != nil {
		return err
	}
	r.holds(key, data)
	return nil
}

// listUploads shows what was begun and forgets what was completed or aborted.
func listUploads(r *run) error {
	data := r.content(1)
	var ups []backend.Upload
	var parts [][]backend.Part
	for _, name := range []string{"in/a", "in/b", "in/b", "other"} {
		u, list, err := r.upload(r.key(name), data)
		if err != nil {
			return err
		}
		ups, parts = append(ups, u), append(parts, list)
	}
	r.uploadsAre(r.key("in/"), ups[:3])
	r.uploadsAre(r.key("in/b"), ups[1:3])
	r.uploadsAre(r.key(""), ups)
	r.uploadsAre(r.key("none"), nil)
	if _, err := r.complete(ups[0], parts[0], data); err != nil {
		return err
	}
	r.uploadsAre(r.key("in/"), ups[1:3])
	listed, err := collect(r.s.ListUploads(r.ctx, r.key("other")))
	if err != nil || len(listed) != 1 {
		return fmt.Errorf("list uploads: %d, %w", len(listed), errOr(err))
	}
	if err := r.s.AbortUpload(r.ctx, listed[0]); err != nil {
		return fmt.Errorf("abort an upload as it was listed: %w", err)
	}
	r.uploadsAre(r.key(""), ups[1:3])
	if _, err := r.s.UploadPart(r.ctx, ups[3], 1, data, r.sum(data)); !errors.Is(err, backend.NotFound) {
		r.errorf("upload to what was aborted as it was listed: %w", errOr(err))
	}
	return nil
}

func (r *run) uploadsAre(prefix string, want []backend.Upload) {
	got, err := collect(r.s.ListUploads(r.ctx, prefix))
	if err != nil {
		r.errorf("list uploads: %w", err)
		return
	}
	for _, u := range got {
		if age := time.Since(u.Created); !u.Created.IsZero() && (age > time.Hour || age < -time.Hour) {
			r.errorf("an upload that was just begun is listed as created at %v", u.Created)
		}
	}
	count := func(list []backend.Upload) map[string]int {
		m := map[string]int{}
		for _, u := range list {
			m[u.Key+" "+u.ID]++
		}
		return m
	}
	if g, w := fmt.Sprint(count(got)), fmt.Sprint(count(want)); g != w {
		r.errorf("the uploads under %q are listed as %s, want %s", prefix, g, w)
	}
}

func abortTwice(r *run) error {
	key := r.key("object")
	u, _, err := r.upload(key, r.content(2))
	if err != nil {
		return err
	}
	for _, times := range []string{"once", "twice"} {
		if err := r.s.AbortUpload(r.ctx, u); err != nil {
			r.errorf("abort %s: %w", times, err)
		}
	}
	r.absent(key, "after abort")
	return nil
}

// uploadAfterAbort finds nothing to go on with.
func uploadAfterAbort(r *run) error {
	key, data := r.key("object"), r.content(2)
	u, parts, err := r.upload(key, data)
	if err != nil {
		return err
	}
	if err := r.s.AbortUpload(r.ctx, u); err != nil {
		return err
	}
	r.gone(u, data, "abort")
	_, err = r.complete(u, parts, data)
	r.fails(err, backend.NotFound, "complete after abort")
	r.absent(key, "after abort and complete")
	_, p, err := r.put(key, 10)
	if err != nil {
		return err
	}
	_, err = r.complete(u, parts, data)
	r.fails(err, backend.NotFound, "complete after abort, over another object")
	r.holds(key, p)
	return nil
}

// gone checks that an upload takes no parts and shows none.
func (r *run) gone(u backend.Upload, data []byte, after string) {
	for n := 1; n <= 2; n++ {
		p := r.piece(data, n)
		_, err := r.s.UploadPart(r.ctx, u, n, p, r.sum(p))
		r.fails(err, backend.NotFound, "upload part %d after %s", n, after)
	}
	if !r.info.Can.ListParts {
		return
	}
	_, err := collect(r.s.ListParts(r.ctx, u))
	r.fails(err, backend.NotFound, "list parts after %s", after)
}

// uploadAfterComplete finds nothing to go on with either, and an abort that comes late leaves the object alone.
func uploadAfterComplete(r *run) error {
	key, data := r.key("object"), r.content(2)
	u, parts, err := r.upload(key, data)
	if err != nil {
		return err
	}
	if _, err := r.complete(u, parts, data); err != nil {
		return err
	}
	r.gone(u, data, "complete")
	if err := r.s.AbortUpload(r.ctx, u); err != nil {
		r.errorf("abort after complete: %w", err)
	}
	r.holds(key, data)
	return nil
}
