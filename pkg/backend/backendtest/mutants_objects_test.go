package backendtest_test

import (
	"context"
	"errors"
	"io"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

var readMutants = []mutant{
	{name: "read ignores the version", cases: "replaced-source deleted-source old-object-until-complete",
		wreck: func(_ *testing.T, b *broken) {
			b.readAt = func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
				now, err := b.Mem.Stat(ctx, obj.Key)
				if err != nil {
					return 0, err
				}
				return b.Mem.ReadAt(ctx, now, p, off)
			}
		}},
	{name: "read wraps EOF", cases: "reads empty-object", wreck: func(_ *testing.T, b *broken) {
		b.readAt = func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
			n, err := b.Mem.ReadAt(ctx, obj, p, off)
			if err == io.EOF {
				err = &backend.Error{Op: "read", Key: obj.Key, Err: io.EOF}
			}
			return n, err
		}
	}},
	{name: "read is short without an error", cases: "reads", wreck: func(_ *testing.T, b *broken) {
		b.readAt = func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
			return b.Mem.ReadAt(ctx, obj, p[:min(len(p), 4500)], off)
		}
	}},
	{name: "read writes to the caller's memory later", cases: "reads canceled-read", wreck: func(_ *testing.T, b *broken) {
		var late []byte
		b.readAt = func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
			if len(late) > 0 {
				late[0] = 1
			}
			late = p
			return b.Mem.ReadAt(ctx, obj, p, off)
		}
	}},
	{name: "read returns wrong bytes when canceled", cases: "canceled-read", wreck: func(_ *testing.T, b *broken) {
		b.readAt = func(ctx context.Context, obj backend.Object, p []byte, off int64) (int, error) {
			if ctx.Err() != nil {
				return len(p), kindError("read", obj.Key, backend.Canceled)
			}
			return b.Mem.ReadAt(ctx, obj, p, off)
		}
	}},
	{name: "stat returns a plain error", cases: "missing-object", wreck: func(_ *testing.T, b *broken) {
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			o, err := b.Mem.Stat(ctx, key)
			if err != nil {
				err = errors.New(err.Error())
			}
			return o, err
		}
	}},
	{name: "stat returns a kind that is no Error", cases: "missing-object", wreck: func(_ *testing.T, b *broken) {
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			o, err := b.Mem.Stat(ctx, key)
			if err != nil {
				err = backend.KindOf(err)
			}
			return o, err
		}
	}},
	{name: "versions do not change", cases: "replaced-source", wreck: func(_ *testing.T, b *broken) {
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			obj, err := b.Mem.Put(ctx, key, p, o)
			obj.Version = "1"
			return obj, err
		}
	}},
}

var writeMutants = []mutant{
	{name: "put keeps the caller's memory", cases: "replaced-object metadata", wreck: func(_ *testing.T, b *broken) {
		kept := map[string][]byte{}
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			kept[key] = p
			return b.Mem.Put(ctx, key, p, o)
		}
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			if p, ok := kept[key]; ok {
				_, _ = b.Mem.Put(ctx, key, p, backend.PutOptions{})
			}
			return b.Mem.Stat(ctx, key)
		}
	}},
	{name: "put encrypts in place", cases: "replaced-object", wreck: func(_ *testing.T, b *broken) {
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			obj, err := b.Mem.Put(ctx, key, p, o)
			for i := range p {
				p[i] ^= 0x55
			}
			return obj, err
		}
	}},
	{name: "keys are cleaned", cases: "odd-keys", wreck: func(_ *testing.T, b *broken) {
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			return b.Mem.Put(ctx, path.Clean(key), p, o)
		}
	}},
	{name: "keys are unescaped", cases: "odd-keys", wreck: func(_ *testing.T, b *broken) {
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			clean := strings.ReplaceAll(key, "%41", "A")
			obj, err := b.Mem.Put(ctx, clean, p, o)
			obj.Key = key
			return obj, err
		}
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			obj, err := b.Mem.Stat(ctx, strings.ReplaceAll(key, "%41", "A"))
			obj.Key = key
			return obj, err
		}
	}},
	{name: "keys are refused by put only", cases: "odd-keys key-limits", wreck: func(_ *testing.T, b *broken) {
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			if strings.Contains(key, "..") || len(key) > 1000 {
				return backend.Object{}, kindError("put", key, backend.Invalid)
			}
			return b.Mem.Put(ctx, key, p, o)
		}
	}},
	{name: "long keys are cut", cases: "key-limits", wreck: func(_ *testing.T, b *broken) {
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			return b.Mem.Put(ctx, key[:min(len(key), 255)], p, o)
		}
	}},
	{name: "a folder replaces the object of its name", cases: "keys-that-are-prefixes", wreck: func(_ *testing.T, b *broken) {
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			_ = b.Mem.Delete(ctx, backend.Object{Key: path.Dir(key)})
			return b.Mem.Put(ctx, key, p, o)
		}
	}},
	{name: "checksums are ignored", cases: "put-checksum part-checksum complete-checksum", wreck: func(_ *testing.T, b *broken) {
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			o.Checksum = ""
			return b.Mem.Put(ctx, key, p, o)
		}
		b.part = func(ctx context.Context, u backend.Upload, n int, p []byte, _ backend.Checksum) (backend.Part, error) {
			return b.Mem.UploadPart(ctx, u, n, p, "")
		}
		b.complete = func(ctx context.Context, u backend.Upload, parts []backend.Part, o backend.CompleteOptions) (backend.Object, error) {
			o.Checksum = ""
			return b.Mem.CompleteUpload(ctx, u, parts, o)
		}
	}},
	{name: "checksums are verified after the fact", cases: "put-checksum complete-checksum", wreck: func(_ *testing.T, b *broken) {
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			obj, err := b.Mem.Put(ctx, key, p, backend.PutOptions{})
			if err == nil && obj.Checksum.Contradicts(o.Checksum) {
				return obj, kindError("put", key, backend.Corrupt)
			}
			return obj, err
		}
		b.complete = func(ctx context.Context, u backend.Upload, parts []backend.Part, o backend.CompleteOptions) (backend.Object, error) {
			obj, err := b.Mem.CompleteUpload(ctx, u, parts, backend.CompleteOptions{})
			if err == nil && obj.Checksum.Contradicts(o.Checksum) {
				return obj, kindError("complete", u.Key, backend.Corrupt)
			}
			return obj, err
		}
	}},
	{name: "metadata and times are dropped", cases: "metadata mod-time", wreck: func(_ *testing.T, b *broken) {
		b.create = func(ctx context.Context, key string, o backend.UploadOptions) (backend.Upload, error) {
			o.Meta, o.ModTime = nil, time.Time{}
			return b.Mem.CreateUpload(ctx, key, o)
		}
	}},
	{name: "metadata keys come as HTTP headers", cases: "metadata", wreck: func(_ *testing.T, b *broken) {
		b.stat = func(ctx context.Context, key string) (backend.Object, error) {
			o, err := b.Mem.Stat(ctx, key)
			if o.Meta != nil {
				o.Meta["Hx-Run"] = o.Meta["hx-run"]
			}
			return o, err
		}
	}},
	{name: "conditions are ignored", cases: "put-if-absent put-if-version complete-if-absent complete-if-version copy-if-absent",
		wreck: func(_ *testing.T, b *broken) { ignoreConditions(b) }},
	{name: "conditions are checked before the write", cases: "put-if-absent", wreck: func(_ *testing.T, b *broken) {
		var mu sync.Mutex
		checked, both := 0, make(chan struct{})
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			if _, err := b.Mem.Stat(ctx, key); err == nil && o.If.Absent {
				return backend.Object{}, kindError("put", key, backend.Exists)
			}
			mu.Lock()
			if checked++; checked == 2 {
				close(both)
			}
			mu.Unlock()
			<-both
			o.If = backend.Condition{}
			return b.Mem.Put(ctx, key, p, o)
		}
	}},
	{name: "an empty object is refused", cases: "empty-object", wreck: func(_ *testing.T, b *broken) {
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			if len(p) == 0 {
				return backend.Object{}, kindError("put", key, backend.Invalid)
			}
			return b.Mem.Put(ctx, key, p, o)
		}
	}},
	{name: "one put at a time", cases: "concurrent-use", wreck: func(_ *testing.T, b *broken) {
		var puts atomic.Int32
		second := make(chan struct{})
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			switch puts.Add(1) {
			case 2: // the first of the workers; it is still there when the next one comes
				<-second
			case 3:
				close(second)
				return backend.Object{}, kindError("put", key, backend.Busy)
			}
			return b.Mem.Put(ctx, key, p, o)
		}
	}},
	{name: "a canceled put leaves half an object", cases: "canceled-put", wreck: func(_ *testing.T, b *broken) {
		puts := 0
		b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
			if puts++; puts%5 == 0 {
				_, _ = b.Mem.Put(context.WithoutCancel(ctx), key, p[:len(p)/2], o)
				return backend.Object{}, kindError("put", key, backend.Canceled)
			}
			return b.Mem.Put(ctx, key, p, o)
		}
	}},
}

func ignoreConditions(b *broken) {
	b.put = func(ctx context.Context, key string, p []byte, o backend.PutOptions) (backend.Object, error) {
		o.If = backend.Condition{}
		return b.Mem.Put(ctx, key, p, o)
	}
	b.complete = func(ctx context.Context, u backend.Upload, parts []backend.Part, o backend.CompleteOptions) (backend.Object, error) {
		o.If = backend.Condition{}
		return b.Mem.CompleteUpload(ctx, u, parts, o)
	}
	b.copy = func(ctx context.Context, from backend.Location, version, key string, o backend.CopyOptions) (backend.Object, error) {
		o.If = backend.Condition{}
		return b.Mem.Copy(ctx, from, version, key, o)
	}
}
