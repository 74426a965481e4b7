package backendtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

const (
	existingKey  = "somewhere/existing" // what the containers that cannot be written hold
	existingSize = 3<<20 + 17           // more than what is read of both ends
)

// existingMutants are containers that cannot be written.
var existingMutants = readOnly([]mutant{
	{name: "stat numbers its answers", cases: "existing-stat existing-concurrent-use", wreck: func(_ *testing.T, b *broken) {
		var n atomic.Int64
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			o, err := b.Mem.Stat(ctx, key)
			o.Size += n.Add(1) / 2
			return o, err
		}
	}},
	{name: "stat has no version", cases: "existing-stat", wreck: func(_ *testing.T, b *broken) {
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			o, err := b.Mem.Stat(ctx, key)
			o.Version = ""
			return o, err
		}
	}},
	{name: "each value has versions of its own", cases: "existing-stat", wreck: func(_ *testing.T, b *broken) {
		own := fmt.Sprint(serial.Add(1))
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			o, err := b.Mem.Stat(ctx, key)
			o.Version += own
			return o, err
		}
	}},
	{name: "a read-only read ignores the version", cases: "existing-version", wreck: func(_ *testing.T, b *broken) {
		b.readAt = func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
			now, err := b.Mem.Stat(ctx, obj.Key)
			if err != nil {
				return 0, err
			}
			return b.Mem.ReadAt(ctx, now, p, off)
		}
	}},
	{name: "another version is not found", cases: "existing-version", wreck: func(_ *testing.T, b *broken) {
		b.readAt = func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
			n, err := b.Mem.ReadAt(ctx, obj, p, off)
			if errors.Is(err, backend.Changed) {
				err = kindError("read", obj.Key, backend.NotFound)
			}
			return n, err
		}
	}},
	{name: "the range is ignored", cases: "existing-reads existing-concurrent-use", wreck: func(_ *testing.T, b *broken) {
		b.readAt = func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
			if off >= obj.Size {
				return b.Mem.ReadAt(ctx, obj, p, off)
			}
			n := min(len(p), int(obj.Size-off))
			_, err := b.Mem.ReadAt(ctx, obj, p[:n], 0)
			if err == nil && n < len(p) {
				err = io.EOF
			}
			return n, err
		}
	}},
	{name: "the end of a read-only object is wrapped", cases: "existing-reads", wreck: func(_ *testing.T, b *broken) {
		b.readAt = func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
			n, err := b.Mem.ReadAt(ctx, obj, p, off)
			if err == io.EOF {
				err = &backend.Error{Op: "read", Key: obj.Key, Err: io.EOF}
			}
			return n, err
		}
	}},
	{name: "a negative offset counts from the end", cases: "existing-reads", wreck: func(_ *testing.T, b *broken) {
		b.readAt = func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
			if off < 0 {
				off += obj.Size
			}
			return b.Mem.ReadAt(ctx, obj, p, off)
		}
	}},
	{name: "the caller's memory is written later", cases: "existing-reads existing-canceled-read", wreck: func(_ *testing.T, b *broken) {
		var late []byte
		b.readAt = func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
			if len(late) > 0 {
				late[0] = 1
			}
			late = p
			return b.Mem.ReadAt(ctx, obj, p, off)
		}
	}},
	{name: "the checksum is that of something else", cases: "existing-checksum", wreck: func(_ *testing.T, b *broken) {
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			o, err := b.Mem.Stat(ctx, key)
			o.Checksum = "md5:d41d8cd98f00b204e9800998ecf8427e"
			return o, err
		}
	}},
	{name: "a key stands for all that begin so", cases: "existing-neighbor", wreck: func(_ *testing.T, b *broken) {
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			if strings.HasPrefix(key, existingKey) {
				key = existingKey
			}
			return b.Mem.Stat(ctx, key)
		}
	}},
	{name: "the list gives another version", cases: "existing-list", wreck: func(_ *testing.T, b *broken) {
		b.list = func(ctx context.Context, prefix string) iter.Seq2[backend.Object, error] {
			return func(yield func(backend.Object, error) bool) {
				for o, err := range b.Mem.List(ctx, prefix) {
					o.Version = "W/" + o.Version
					if !yield(o, err) {
						return
					}
				}
			}
		}
	}},
	{name: "the list gives the object twice", cases: "existing-list", wreck: func(_ *testing.T, b *broken) {
		b.list = func(ctx context.Context, prefix string) iter.Seq2[backend.Object, error] {
			return filtered(b.Mem.List(ctx, prefix), func(int, backend.Object) int { return 2 })
		}
	}},
	{name: "one read at a time", cases: "existing-concurrent-use", wreck: func(_ *testing.T, b *broken) {
		var reads atomic.Int32
		second := make(chan struct{})
		b.readAt = func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
			switch reads.Add(1) {
			case 3: // the first of the workers, after the two ends; it is still there when the next one comes
				<-second
			case 4:
				close(second)
				return 0, kindError("read", obj.Key, backend.Busy)
			}
			return b.Mem.ReadAt(ctx, obj, p, off)
		}
	}},
	{name: "ended contexts are ignored by reads", cases: "existing-canceled-before", wreck: func(_ *testing.T, b *broken) {
		b.readAt = func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
			return b.Mem.ReadAt(context.WithoutCancel(ctx), obj, p, off)
		}
	}},
	{name: "a canceled read ends as the object does", cases: "existing-canceled-read", wreck: func(_ *testing.T, b *broken) {
		b.readAt = func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
			if ctx.Err() != nil {
				return 0, io.EOF
			}
			return b.Mem.ReadAt(ctx, obj, p, off)
		}
	}},
})

// serial tells the values of one mutant apart.
var serial atomic.Int32

func readOnly(mutants []mutant) []mutant {
	for i := range mutants {
		mutants[i].options.Without.Write = true
	}
	return mutants
}

func TestCheckWantsAnObjectWhereItCannotWrite(t *testing.T) {
	m := backendtest.NewMem(backendtest.MemOptions{Without: backend.Capabilities{Write: true}})
	open := func() (backend.Storage, string, error) { return m, "", nil }
	err := backendtest.Check(t.Context(), open, backendtest.CheckOptions{})
	if err == nil || !strings.Contains(err.Error(), "CheckOptions.Existing") {
		t.Errorf("no object is named, and Check says %v", err)
	}
	for name := range strings.FieldsSeq("existing-reads existing-version existing-neighbor") {
		err := backendtest.Check(t.Context(), open, backendtest.CheckOptions{Existing: "somewhere/none", Only: name})
		if !errors.Is(err, backend.NotFound) {
			t.Errorf("the object is not there, and case %s says %v", name, err)
		}
	}
	m.AddGenerated(existingKey, 0, 1)
	err = backendtest.Check(t.Context(), open, backendtest.CheckOptions{Existing: existingKey})
	if err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("the object is empty, and Check says %v", err)
	}
}

// TestCheckReadsTheEndsOfALargeObject has an object that nobody reads as a whole.
func TestCheckReadsTheEndsOfALargeObject(t *testing.T) {
	m := newBroken(backendtest.NewMem(backendtest.MemOptions{Without: backend.Capabilities{Write: true}}))
	o := m.AddGenerated("large", 5<<40, 1)
	m.readAt = func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
		if len(p) > 2<<20 {
			t.Errorf("a read of %d bytes", len(p))
		}
		return m.Mem.ReadAt(ctx, obj, p, off)
	}
	var skipped []string
	err := backendtest.Check(t.Context(), func() (backend.Storage, string, error) { return m, "elsewhere/", nil },
		backendtest.CheckOptions{Existing: o.Key, Only: "existing", Each: func(name string, _ time.Duration, err error) {
			if errors.Is(err, backendtest.ErrSkipped) {
				skipped = append(skipped, name)
			}
		}})
	if err != nil || !slices.Equal(skipped, []string{"existing-checksum"}) {
		t.Errorf("%v; skipped %q, want the checksum that it does not have", err, skipped)
	}
}
