package backendtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// existingCases are about an object that somebody else has written, CheckOptions.Existing, because the suite cannot.
var existingCases = []testCase{
	{"existing-stat", readsOnly, existingStat},
	{"existing-reads", readsOnly, existingReads},
	{"existing-version", readsOnly, existingVersion},
	{"existing-checksum", readsOnly, existingChecksum},
	{"existing-neighbor", readsOnly, existingNeighbor},
	{"existing-list", func(i backend.Info) bool { return readsOnly(i) && i.Can.List }, existingList},
	{"existing-concurrent-use", readsOnly, existingConcurrentUse},
	{"existing-canceled-before", readsOnly, existingCanceledBefore},
	{"existing-canceled-read", readsOnly, existingCanceledRead},
}

func readsOnly(i backend.Info) bool { return !i.Can.Write }

// existing returns the object.
func (r *run) existing() (backend.Object, error) {
	o, err := r.s.Stat(r.ctx, r.o.Existing)
	switch {
	case err != nil:
		return o, fmt.Errorf("stat %q, which is to be there: %w", r.o.Existing, err)
	case o.Key != r.o.Existing || o.Size < 0 || o.Version == "":
		return o, fmt.Errorf("%q is described as %q, %d bytes, version %q", r.o.Existing, o.Key, o.Size, o.Version)
	case o.Size == 0:
		return o, fmt.Errorf("%q is empty, which shows nothing: name an object that has bytes", r.o.Existing)
	}
	return o, nil
}

// existingEdges returns the object and the bytes at its ends, as two reads give them.
func (r *run) existingEdges() (backend.Object, edges, error) {
	o, err := r.existing()
	if err != nil {
		return o, edges{}, err
	}
	read := func(off, length int64) []byte {
		p := make([]byte, length)
		n, readErr := r.s.ReadAt(r.ctx, o, p, off)
		if same(readErr, io.EOF) && off+length == o.Size {
			readErr = nil
		}
		if err == nil && (readErr != nil || n < len(p)) {
			err = fmt.Errorf("read %d bytes at %d of %d: %d, %w", length, off, o.Size, n, errOr(readErr))
		}
		return p
	}
	if o.Size <= 2*edge {
		return o, edgesOf(read(0, o.Size)), err
	}
	return o, edges{size: o.Size, head: read(0, edge), tail: read(o.Size-edge, edge)}, err
}

// agrees checks that the object is described as before.
func (r *run) agrees(was, now backend.Object, by string) {
	if now.Key != was.Key || now.Size != was.Size || now.Version != was.Version || now.Checksum.Contradicts(was.Checksum) {
		r.errorf("%s describes %q as %d bytes, version %q, %s; stat did as %d bytes, version %q, %s (or did it change meanwhile?)",
			by, now.Key, now.Size, now.Version, now.Checksum, was.Size, was.Version, was.Checksum)
	}
}

// existingStat looks again, through the same value of the container and through a new one.
func existingStat(r *run) error {
	was, err := r.existing()
	if err != nil {
		return err
	}
	again, err := r.reopen()
	if err != nil {
		return err
	}
	for by, s := range map[string]backend.Storage{"a second stat": r.s, "a stat by a second value of the container": again} {
		now, err := s.Stat(r.ctx, was.Key)
		if err != nil {
			r.errorf("%s: %w", by, err)
			continue
		}
		r.agrees(was, now, by)
	}
	return nil
}

func existingReads(r *run) error {
	o, e, err := r.existingEdges()
	if err != nil {
		return err
	}
	r.readsRanges(o, e)
	return nil
}

func existingVersion(r *run) error {
	o, err := r.existing()
	if err != nil {
		return err
	}
	o.Version = otherVersion(o.Version)
	r.refusesVersion(o, fmt.Sprintf("version %q, which never was", o.Version))
	return nil
}

// otherVersion changes one letter or digit of a version, in its middle, so that it is still of the container's form.
func otherVersion(v string) string {
	for i := range len(v) {
		at := (len(v)/2 + i) % len(v)
		var other byte
		switch c := v[at]; {
		case c == '9' || c == 'z' || c == 'Z' || c == 'f' || c == 'F':
			other = c - 1
		case '0' <= c && c < '9' || 'a' <= c && c < 'z' || 'A' <= c && c < 'Z':
			other = c + 1
		default:
			continue
		}
		return v[:at] + string(other) + v[at+1:]
	}
	return v + "0"
}

// hashable is how large an object may be that is read as a whole for its checksum, in bytes.
const hashable = 64 << 20

// existingChecksum compares the checksum that the container tells, if it tells one.
func existingChecksum(r *run) error {
	o, err := r.existing()
	if err != nil {
		return err
	}
	h := newHash(o.Checksum.Algorithm())
	switch {
	case o.Checksum == "" || o.Size > hashable:
		return ErrSkipped
	case h == nil:
		return fmt.Errorf("%q has the checksum %q, whose algorithm the contract does not know", o.Key, o.Checksum)
	}
	p := make([]byte, min(edge, o.Size))
	for off := int64(0); off < o.Size; off += edge {
		p = p[:min(edge, o.Size-off)]
		if n, err := r.s.ReadAt(r.ctx, o, p, off); n < len(p) || err != nil && !same(err, io.EOF) {
			return fmt.Errorf("read %d bytes at %d of %d: %d, %w", len(p), off, o.Size, n, errOr(err))
		}
		h.Write(p)
	}
	if sum := backend.NewChecksum(o.Checksum.Algorithm(), h.Sum(nil)); sum != o.Checksum {
		r.errorf("%q is said to have checksum %s, it has %s", o.Key, o.Checksum, sum)
	}
	return nil
}

// existingNeighbor looks for a key that begins as that of the object does.
func existingNeighbor(r *run) error {
	o, err := r.existing()
	if err != nil {
		return err
	}
	r.absent(o.Key+"-"+r.token, "beside an object that is there")
	return nil
}

// maxListed is how many objects are listed in search of one.
const maxListed = 2000

// existingList lists what begins with the key of the object, which comes first.
func existingList(r *run) error {
	was, err := r.existing()
	if err != nil {
		return err
	}
	found, n := 0, 0
	for o, err := range r.s.List(r.ctx, was.Key) {
		if err != nil {
			return fmt.Errorf("list %q: %w", was.Key, err)
		}
		if o.Key == was.Key {
			found++
			r.agrees(was, o, "a list")
		} else if !strings.HasPrefix(o.Key, was.Key) {
			r.errorf("list %q gives %q", was.Key, o.Key)
		}
		if n++; n == maxListed {
			break
		}
	}
	if found != 1 {
		r.errorf("%q is listed %d times", was.Key, found)
	}
	return nil
}

func existingConcurrentUse(r *run) error {
	const workers, rounds = 8, 4
	was, e, err := r.existingEdges()
	if err != nil {
		return err
	}
	spans := e.ranges()
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for round := range rounds {
				r.readsRange(was, e, spans[(i*rounds+round)%len(spans)])
				now, err := r.s.Stat(r.ctx, was.Key)
				if err != nil {
					r.errorf("stat by worker %d: %w", i, err)
					continue
				}
				r.agrees(was, now, "a stat at the same time as others")
			}
		})
	}
	wg.Wait()
	return nil
}

func existingCanceledBefore(r *run) error {
	o, err := r.existing()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.ctx)
	cancel()
	r.refusesEnded(ctx, o)
	r.refusesLate(o.Key)
	return nil
}

func existingCanceledRead(r *run) error {
	o, e, err := r.existingEdges()
	if err != nil {
		return err
	}
	r.canceledReads(o, e)
	return nil
}

// errNoExisting is the result where nothing could be tested.
var errNoExisting = errors.New("this container cannot be written: name an object of it that is there (CheckOptions.Existing)")
