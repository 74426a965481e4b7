package backendtest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

var completeCases = []testCase{
	{"invisible-until-complete", uploads, invisibleUntilComplete},
	{"old-object-until-complete", uploads, oldObjectUntilComplete},
	{"complete-twice", uploads, completeTwice},
	{"complete-with-part-missing", uploads, completeWithPartMissing},
	{"complete-with-wrong-tag", uploads, completeWithWrongTag},
	{"complete-with-replaced-part", anyOrder, completeWithReplacedPart},
	{"complete-checksum", func(i backend.Info) bool { return uploads(i) && verifies(i, backend.CRC32C) }, completeChecksum},
	{"complete-out-of-order", uploads, completeOutOfOrder},
}

// invisibleUntilComplete looks after every step of an upload: nothing may be seen under the key, and no temporary name.
func invisibleUntilComplete(r *run) error {
	key, data := r.key("dir/object"), r.content(2)
	look := func(when string) {
		r.absent(key, when)
		if !r.info.Can.List {
			return
		}
		if all, err := collect(r.s.List(r.ctx, r.prefix)); err != nil || len(all) > 0 {
			r.errorf("%s: list shows %v, %v; want nothing", when, all, err)
		}
		r.onlyOurs()
	}
	u, err := r.create(key, data)
	if err != nil {
		return err
	}
	look("after create upload")
	var parts []backend.Part
	for n := 1; n <= 2; n++ {
		part, err := r.part(u, data, n)
		if err != nil {
			return err
		}
		parts = append(parts, part)
		look(fmt.Sprintf("after part %d", n))
	}
	if _, err := r.complete(u, parts, data); err != nil {
		return err
	}
	r.holds(key, data)
	r.onlyOurs()
	return nil
}

func oldObjectUntilComplete(r *run) error {
	key, data := r.key("object"), r.content(2)
	old, p, err := r.put(key, 500)
	if err != nil {
		return err
	}
	u, parts, err := r.upload(key, data)
	if err != nil {
		return err
	}
	r.holds(key, p)
	r.reads(old, p)
	if _, err := r.complete(u, parts, data); err != nil {
		return err
	}
	r.holds(key, data)
	_, err = r.s.ReadAt(r.ctx, old, make([]byte, 10), 0)
	r.fails(err, backend.Changed, "read of the old version after complete")
	return nil
}

// completeTwice repeats a complete as after a lost answer: it succeeds while the object is there, from a new value too,
// and is NotFound if something else is there.
func completeTwice(r *run) error {
	key, data := r.key("object"), r.content(2)
	u, parts, err := r.upload(key, data)
	if err != nil {
		return err
	}
	first, err := r.complete(u, parts, data)
	if err != nil {
		return err
	}
	again, err := r.complete(u, parts, data)
	if err != nil {
		r.errorf("complete again: %w", err)
	} else if again.Version != first.Version {
		r.errorf("complete again gives version %q instead of %q", again.Version, first.Version)
	}
	s, err := r.reopen()
	if err != nil {
		return err
	}
	o := backend.CompleteOptions{Checksum: r.whole(data)}
	if r.info.Can.CompleteIfAbsent {
		o.If.Absent = true // it was there before only because the first attempt put it there
	}
	if _, err := s.CompleteUpload(r.ctx, u, parts, o); err != nil {
		r.errorf("complete again through a new value: %w", err)
	}
	r.holds(key, data)
	if r.verifies(backend.CRC32C) {
		_, err = r.s.CompleteUpload(r.ctx, u, parts, backend.CompleteOptions{Checksum: r.wrong(data)})
		r.fails(err, backend.NotFound, "complete again with a checksum that the object does not have")
	}
	_, p, err := r.put(key, 500)
	if err != nil {
		return err
	}
	_, err = r.complete(u, parts, data)
	r.fails(err, backend.NotFound, "complete again after the object was replaced")
	r.holds(key, p)
	return nil
}

// completeWithPartMissing names a part that was never uploaded, leaves out one in the middle, and leaves out the last.
func completeWithPartMissing(r *run) error {
	key, data := r.key("object"), r.content(3)
	u, err := r.create(key, data)
	if err != nil {
		return err
	}
	var parts []backend.Part
	for n := 1; n <= 2; n++ {
		part, err := r.part(u, data, n)
		if err != nil {
			return err
		}
		parts = append(parts, part)
	}
	made := backend.Part{Number: 3, Size: 777, Tag: parts[0].Tag}
	_, err = r.complete(u, append(slices.Clone(parts), made), data)
	r.fails(err, backend.Invalid, "complete with a part that was never uploaded")
	r.absent(key, "after complete with a part that was never uploaded")
	third, err := r.part(u, data, 3)
	if err != nil {
		return err
	}
	parts = append(parts, third)
	for _, c := range []struct {
		what  string
		parts []backend.Part
	}{
		{"without the second part", []backend.Part{parts[0], parts[2]}},
		{"without the last part", parts[:2]},
		{"without any part", nil},
	} {
		_, err = r.s.CompleteUpload(r.ctx, u, c.parts, backend.CompleteOptions{})
		r.fails(err, backend.Invalid, "complete %s", c.what)
		r.absent(key, "after complete "+c.what)
	}
	if _, err := r.complete(u, parts, data); err != nil {
		return fmt.Errorf("complete with all parts, after it was refused: %w", err)
	}
	r.holds(key, data)
	return nil
}

// completeWithWrongTag has the tag of another part.
func completeWithWrongTag(r *run) error {
	key, data := r.key("object"), r.content(2)
	_, p, err := r.put(key, 100)
	if err != nil {
		return err
	}
	u, parts, err := r.upload(key, data)
	if err != nil {
		return err
	}
	wrong := slices.Clone(parts)
	wrong[1].Tag = parts[0].Tag
	_, err = r.complete(u, wrong, data)
	r.fails(err, backend.Invalid, "complete with a wrong tag")
	r.holds(key, p)
	if _, err := r.complete(u, parts, data); err != nil {
		return fmt.Errorf("complete with the right tags, after it was refused: %w", err)
	}
	r.holds(key, data)
	return nil
}

// completeWithReplacedPart has the tag of a part that another replaced: what happens if a first attempt lands late. The
// list of parts tells how to go on.
func completeWithReplacedPart(r *run) error {
	key, data := r.key("object"), r.content(2)
	u, parts, err := r.upload(key, r.bytes(int64(len(data))))
	if err != nil {
		return err
	}
	var now []backend.Part
	for n := 1; n <= 2; n++ {
		part, err := r.part(u, data, n)
		if err != nil {
			return err
		}
		now = append(now, part)
	}
	_, err = r.s.CompleteUpload(r.ctx, u, parts, backend.CompleteOptions{})
	r.fails(err, backend.Invalid, "complete with the tags of parts that were replaced")
	r.absent(key, "after complete with old tags")
	if r.info.Can.ListParts {
		if now, err = collect(r.s.ListParts(r.ctx, u)); err != nil {
			return err
		}
	}
	if _, err := r.complete(u, now, data); err != nil {
		return err
	}
	r.holds(key, data)
	return nil
}

// completeChecksum has a checksum of the whole that the object does not have.
func completeChecksum(r *run) error {
	fresh, data := r.key("fresh"), r.content(2)
	u, parts, err := r.upload(fresh, data)
	if err != nil {
		return err
	}
	wrong := backend.CompleteOptions{Checksum: Sum(backend.CRC32C, r.content(2))}
	_, err = r.s.CompleteUpload(r.ctx, u, parts, wrong)
	r.fails(err, backend.Corrupt, "complete with a wrong checksum")
	r.absent(fresh, "after complete with a wrong checksum")

	key := r.key("old")
	_, p, err := r.put(key, 100)
	if err != nil {
		return err
	}
	u, parts, err = r.upload(key, data)
	if err != nil {
		return err
	}
	_, err = r.s.CompleteUpload(r.ctx, u, parts, wrong)
	r.fails(err, backend.Corrupt, "complete over an object with a wrong checksum")
	if _, err := r.s.Stat(r.ctx, key); errors.Is(err, backend.NotFound) {
		return nil // the contract allows that nothing is there
	}
	r.holds(key, p)
	return nil
}

// completeOutOfOrder names the right parts in the wrong order and one of them twice.
func completeOutOfOrder(r *run) error {
	key, data := r.key("object"), r.bytes(2*r.partSize())
	u, parts, err := r.upload(key, data)
	if err != nil {
		return err
	}
	for what, list := range map[string][]backend.Part{
		"in descending order":      {parts[1], parts[0]},
		"with the same part twice": {parts[0], parts[0]},
	} {
		_, err := r.s.CompleteUpload(r.ctx, u, list, backend.CompleteOptions{})
		r.fails(err, backend.Invalid, "complete with parts %s", what)
		r.absent(key, "after complete with parts "+what)
	}
	if _, err := r.complete(u, parts, data); err != nil {
		return err
	}
	r.holds(key, data)
	return nil
}
