package backendtest

import (
	"slices"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

var copyCases = []testCase{
	{"copy", copies, copyObject},
	{"copy-version", copies, copyVersion},
	{"copy-foreign", writes, copyForeign},
}

func copyObject(r *run) error {
	if r.o.Locate == nil {
		return errNoLocate
	}
	for name, size := range map[string]int64{"empty": 0, "small": 100, "large": atMost(3<<20, r.info.Limits.MaxPut, r.info.Limits.MaxObject), "odd name%41": 10} {
		o, p, err := r.put(r.key(name), size)
		if err != nil {
			return err
		}
		from := r.o.Locate(o.Key)
		if !slices.Contains(r.info.CopyFrom, from.Scheme) {
			r.errorf("CheckOptions.Locate gives %s, which is none of %q", from, r.info.CopyFrom)
		}
		key := r.key("to/" + name)
		for range 2 { // the second replaces the first
			copied, err := r.s.Copy(r.ctx, from, "", key, backend.CopyOptions{})
			if err != nil {
				return err
			}
			r.describes(copied, key, p)
			r.holds(key, p)
		}
		r.holds(o.Key, p)
		if now, err := r.s.Stat(r.ctx, o.Key); err != nil || now.Version != o.Version {
			r.errorf("a copy changed its source: %+v, %v", now, err)
		}
	}
	_, err := r.s.Copy(r.ctx, r.o.Locate(r.key("nothing")), "", r.key("to/nothing"), backend.CopyOptions{})
	r.fails(err, backend.NotFound, "copy from a key that is not there")
	r.absent(r.key("to/nothing"), "after a copy from nothing")
	return nil
}

// copyVersion pins the source.
func copyVersion(r *run) error {
	if r.o.Locate == nil {
		return errNoLocate
	}
	from, to := r.key("from"), r.key("to")
	old, _, err := r.put(from, 1000)
	if err != nil {
		return err
	}
	now, p, err := r.put(from, 1000)
	if err != nil {
		return err
	}
	_, err = r.s.Copy(r.ctx, r.o.Locate(from), old.Version, to, backend.CopyOptions{})
	r.fails(err, backend.Changed, "copy of a version that was replaced")
	r.absent(to, "after a copy of a version that was replaced")
	if _, err = r.s.Copy(r.ctx, r.o.Locate(from), now.Version, to, backend.CopyOptions{}); err != nil {
		return err
	}
	r.holds(to, p)
	return nil
}

// copyForeign has a scheme that no container knows.
func copyForeign(r *run) error {
	from := backend.Location{Scheme: "backendtest-no-such-scheme", Path: "container/key"}
	_, err := r.s.Copy(r.ctx, from, "", r.key("to"), backend.CopyOptions{})
	r.fails(err, backend.Unsupported, "copy from a scheme that is not in Info.CopyFrom")
	r.absent(r.key("to"), "after a copy from a foreign scheme")
	return nil
}
