package backendtest

import (
	"errors"
	"fmt"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

var promiseCases = []testCase{
	{"info", nil, infoIsSound},
	{"refused-promises", nil, refusedPromises},
	{"refused-conditions", writes, refusedConditions},
	{"limits", writes, limits},
}

func infoIsSound(r *run) error {
	l, can := r.info.Limits, r.info.Can
	for name, n := range map[string]int64{"MinPart": l.MinPart, "MaxPart": l.MaxPart, "MaxParts": int64(l.MaxParts),
		"MaxPut": l.MaxPut, "MaxObject": l.MaxObject, "Connections": int64(l.Connections)} {
		if n < 0 {
			r.errorf("Limits.%s is %d", name, n)
		}
	}
	if l.MaxPart > 0 && l.MinPart > l.MaxPart {
		r.errorf("Limits.MinPart %d exceeds MaxPart %d", l.MinPart, l.MaxPart)
	}
	if !can.Write && (can.PutIfAbsent || can.CompleteIfAbsent || can.IfVersion || can.Sequential || can.ModTime || can.CreateContainer || can.Space || can.Lifecycle || len(r.info.CopyFrom) > 0) {
		r.errorf("Info promises ways of writing without Write: %+v", r.info)
	}
	for _, a := range r.info.Checksums {
		if Sum(a, nil) == "" {
			r.errorf("Info.Checksums has %q, which the contract does not know", a)
		}
	}
	again, err := r.reopen()
	if err != nil {
		return err
	}
	if a, b := fmt.Sprintf("%+v", r.info), fmt.Sprintf("%+v", again.Info()); a != b {
		r.errorf("a new value of the container promises %s, the first %s", b, a)
	}
	return nil
}

// refusedPromises calls what Info does not promise.
func refusedPromises(r *run) error {
	can := r.info.Can
	key := r.key("object")
	if !can.List {
		_, err := collect(r.s.List(r.ctx, r.prefix))
		r.fails(err, backend.Unsupported, "list")
	}
	if !can.ListUploads {
		_, err := collect(r.s.ListUploads(r.ctx, r.prefix))
		r.fails(err, backend.Unsupported, "list uploads")
	}
	if !can.Write {
		_, err := r.s.Put(r.ctx, key, []byte("x"), backend.PutOptions{})
		r.fails(err, backend.Unsupported, "put")
	}
	if !can.Write || len(r.info.CopyFrom) == 0 {
		from := backend.Location{Scheme: "file", Path: "/x"}
		if r.o.Locate != nil {
			from = r.o.Locate(key)
		}
		_, err := r.s.Copy(r.ctx, from, "", key, backend.CopyOptions{})
		r.fails(err, backend.Unsupported, "copy")
	}
	if !uploads(r.info) {
		_, err := r.s.CreateUpload(r.ctx, key, backend.UploadOptions{Size: 10, PartSize: r.partSize()})
		r.fails(err, backend.Unsupported, "create upload")
	} else if !can.ListParts {
		u, err := r.create(r.key("upload"), r.content(1))
		if err != nil {
			return err
		}
		_, err = collect(r.s.ListParts(r.ctx, u))
		r.fails(err, backend.Unsupported, "list parts")
	}
	if err := r.refusesOptional(key); err != nil {
		return err
	}
	if !can.Delete {
		if can.Write {
			if _, _, err := r.put(key, 10); err != nil {
				return err
			}
		}
		r.fails(r.s.Delete(r.ctx, backend.Object{Key: key}), backend.Unsupported, "delete")
	}
	return nil
}

// refusesOptional calls the optional methods, and names a version where versions are not spoken of: the current object must
// not be taken for it.
func (r *run) refusesOptional(key string) error {
	can := r.info.Can
	if !can.Browse {
		_, err := collect(r.s.Browse(r.ctx, r.prefix))
		r.fails(err, backend.Unsupported, "browse")
	}
	if !can.Restore {
		r.fails(r.s.Restore(r.ctx, backend.Object{Key: key}, time.Hour), backend.Unsupported, "restore")
	}
	if !can.CreateContainer {
		r.fails(r.s.CreateContainer(r.ctx), backend.Unsupported, "create container")
	}
	if !can.DeleteAll {
		errs := r.s.DeleteAll(r.ctx, []backend.Object{{Key: key}, {Key: key + "2"}})
		if len(errs) != 2 {
			r.errorf("delete of two at once: %d answers", len(errs))
		}
		for _, err := range errs {
			r.fails(err, backend.Unsupported, "delete of two at once")
		}
	}
	if !can.Space {
		_, err := r.s.Space(r.ctx, r.prefix)
		r.fails(err, backend.Unsupported, "look for space")
	}
	if !can.Lifecycle {
		_, err := r.s.Lifecycle(r.ctx)
		r.fails(err, backend.Unsupported, "read lifecycle")
		_, err = r.s.SetLifecycle(r.ctx, suiteRules())
		r.fails(err, backend.Unsupported, "set lifecycle")
	}
	if can.Versions {
		return nil
	}
	_, err := collect(r.s.Versions(r.ctx, r.prefix))
	r.fails(err, backend.Unsupported, "list versions")
	if !can.Write {
		return nil
	}
	o, p, err := r.put(r.key("version"), 100)
	if err != nil {
		return err
	}
	o.Generation = "1"
	_, err = r.s.ReadAt(r.ctx, o, make([]byte, 1), 0)
	r.fails(err, backend.Unsupported, "read of an old version")
	if can.Delete {
		r.fails(r.s.Delete(r.ctx, o), backend.Unsupported, "delete of an old version")
	}
	r.holds(o.Key, p)
	return nil
}

// refusedConditions sets conditions that Info does not promise. To ignore one would be to overwrite.
func refusedConditions(r *run) error {
	can := r.info.Can
	key := r.key("object")
	old, p, err := r.put(key, 100)
	if err != nil {
		return err
	}
	version := backend.Condition{Version: old.Version}
	if !can.PutIfAbsent {
		_, err := r.s.Put(r.ctx, key, r.bytes(50), backend.PutOptions{If: ifAbsent()})
		r.fails(err, backend.Unsupported, "put with Condition.Absent")
	}
	if !can.IfVersion {
		_, err := r.s.Put(r.ctx, key, r.bytes(50), backend.PutOptions{If: version})
		r.fails(err, backend.Unsupported, "put with Condition.Version")
	}
	if !can.CompleteIfAbsent && copies(r.info) && r.o.Locate != nil {
		_, err := r.s.Copy(r.ctx, r.o.Locate(key), "", r.key("copy"), backend.CopyOptions{If: ifAbsent()})
		r.fails(err, backend.Unsupported, "copy with Condition.Absent")
	}
	if uploads(r.info) {
		u, parts, err := r.upload(key, r.content(1))
		if err != nil {
			return err
		}
		if !can.CompleteIfAbsent {
			_, err := r.s.CompleteUpload(r.ctx, u, parts, backend.CompleteOptions{If: ifAbsent()})
			r.fails(err, backend.Unsupported, "complete with Condition.Absent")
		}
		if !can.IfVersion {
			_, err := r.s.CompleteUpload(r.ctx, u, parts, backend.CompleteOptions{If: version})
			r.fails(err, backend.Unsupported, "complete with Condition.Version")
		}
	}
	r.holds(key, p)
	return nil
}

// tryable is the size up to which a limit is tried out, in bytes.
const tryable = 16 << 20

func limits(r *run) error {
	l := r.info.Limits
	if l.MaxPut > 0 && l.MaxPut <= tryable {
		key := r.key("put")
		_, p, err := r.put(key, atMost(l.MaxPut, l.MaxObject))
		if err != nil {
			return fmt.Errorf("put as many bytes as the limits allow: %w", err)
		}
		r.holds(key, p)
		_, err = r.s.Put(r.ctx, r.key("put-more"), r.bytes(l.MaxPut+1), backend.PutOptions{})
		r.fails(err, backend.Invalid, "put more than MaxPut bytes")
		r.absent(r.key("put-more"), "after a put of more than MaxPut bytes")
	}
	if !uploads(r.info) {
		return nil
	}
	size := r.partSize()
	r.refusesShape("more parts than MaxParts", int64(l.MaxParts)*size+1, size, l.MaxParts+1, 1)
	if l.MaxPart > 0 && l.MaxPart < tryable {
		r.refusesShape("a part of more than MaxPart bytes", l.MaxPart+1, l.MaxPart+1, 1, l.MaxPart+1)
	}
	if l.MaxObject > 0 && l.MaxParts > 0 && l.MaxObject < tryable {
		r.refusesShape("an object of more than MaxObject bytes", l.MaxObject+1, max(size, l.MaxObject/int64(l.MaxParts)+1), 0, 0)
	}
	if l.MinPart > 1 {
		return r.refusesShortParts()
	}
	return nil
}

// refusesShape begins an upload that goes over a limit. If the container lets it begin, the part must be refused.
func (r *run) refusesShape(what string, size, partSize int64, n int, length int64) {
	u, err := r.s.CreateUpload(r.ctx, r.key("upload"), backend.UploadOptions{Size: size, PartSize: partSize})
	if err == nil && n > 0 {
		p := r.bytes(length)
		_, err = r.s.UploadPart(r.ctx, u, n, p, r.sum(p))
	}
	r.fails(err, backend.Invalid, "upload with %s", what)
}

// refusesShortParts uploads two parts of which the first is too short. A container may notice that at the end only.
func (r *run) refusesShortParts() error {
	key := r.key("short")
	size := r.info.Limits.MinPart - 1
	u, err := r.s.CreateUpload(r.ctx, key, backend.UploadOptions{Size: 2 * size, PartSize: size})
	var parts []backend.Part
	for n := 1; n <= 2 && err == nil; n++ {
		p := r.bytes(size)
		var part backend.Part
		part, err = r.s.UploadPart(r.ctx, u, n, p, r.sum(p))
		parts = append(parts, part)
	}
	if err == nil {
		_, err = r.s.CompleteUpload(r.ctx, u, parts, backend.CompleteOptions{})
	}
	if err == nil {
		return errors.New("an upload with parts of less than MinPart bytes was completed")
	}
	r.fails(err, backend.Invalid, "upload with parts of less than MinPart bytes")
	r.absent(key, "after an upload with parts of less than MinPart bytes")
	return nil
}
