package plugin

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

// TestLies calls a guest whose answers cannot be true.
func TestLies(t *testing.T) {
	data := backendData(1000)
	put := func(ctx context.Context, s backend.Storage) error {
		_, err := s.Put(ctx, "key", data, backend.PutOptions{Checksum: backend.SumCRC32C(data)})
		return err
	}
	read := func(ctx context.Context, s backend.Storage) error {
		o, err := s.Put(ctx, "key", data, backend.PutOptions{})
		if err != nil {
			return err
		}
		_, err = s.ReadAt(ctx, o, make([]byte, 500), 0)
		return err
	}
	upload := func(ctx context.Context, s backend.Storage) error {
		u, err := s.CreateUpload(ctx, "key", backend.UploadOptions{Size: 1000, PartSize: 1000})
		if err != nil {
			return err
		}
		part, err := s.UploadPart(ctx, u, 1, data, backend.SumCRC32C(data))
		if err == nil {
			_, err = s.CompleteUpload(ctx, u, []backend.Part{part}, backend.CompleteOptions{})
		}
		return err
	}
	list := func(ctx context.Context, s backend.Storage) error { return ending(s.List(ctx, "prefix/")) }
	browse := func(ctx context.Context, s backend.Storage) error { return ending(s.Browse(ctx, "prefix/")) }
	versions := func(ctx context.Context, s backend.Storage) error { return ending(s.Versions(ctx, "prefix/")) }
	rules := func(ctx context.Context, s backend.Storage) error {
		_, err := s.Lifecycle(ctx)
		return err
	}
	deleteOld := func(ctx context.Context, s backend.Storage) error {
		o, err := s.Put(ctx, "key", data, backend.PutOptions{})
		if err != nil {
			return err
		}
		o.Generation = "g-" + o.Version
		return s.Delete(ctx, o)
	}
	stat := func(ctx context.Context, s backend.Storage) error {
		_, err := s.Stat(ctx, "key")
		return err
	}
	for _, c := range []struct {
		mischief string
		call     func(context.Context, backend.Storage) error
		kind     backend.Kind
	}{
		{"short", read, backend.Corrupt}, {"long", read, backend.Corrupt}, {"early-end", read, backend.Corrupt},
		{"other-key", put, backend.Corrupt}, {"other-size", put, backend.Corrupt}, {"other-checksum", put, backend.Corrupt},
		{"other-number", upload, backend.Corrupt}, {"other-size", upload, backend.Corrupt}, {"no-tag", upload, backend.Corrupt},
		{"other-checksum", upload, backend.Corrupt}, {"other-tag", upload, backend.Invalid}, {"truncated", upload, backend.Corrupt},
		{"disorder", list, backend.Corrupt}, {"twice", list, backend.Corrupt}, {"outside", list, backend.Corrupt},
		{"disorder", browse, backend.Corrupt}, {"twice", browse, backend.Corrupt}, {"outside", browse, backend.Corrupt},
		{"deep", browse, backend.Corrupt}, {"deeper", browse, backend.Corrupt}, {"flat", browse, backend.Corrupt},
		{"disorder", versions, backend.Corrupt}, {"twice", versions, backend.Corrupt}, {"outside", versions, backend.Corrupt},
		{"no-tag", versions, backend.Corrupt},
		{"disorder", rules, backend.Corrupt}, {"twice", rules, backend.Corrupt}, {"no-tag", rules, backend.Corrupt},
		{"forgetful", deleteOld, backend.Unsupported},
		{"negative", stat, backend.NotFound}, {"other-key", stat, backend.NotFound}, {"canceled", stat, backend.Unavailable},
	} {
		o := options(t, "mem")
		o.Config.Settings["mischief"] = c.mischief
		h := inProcess(t, o)
		if err := c.call(t.Context(), openMem(t, h)); !errors.Is(err, c.kind) {
			t.Errorf("%s: want %q, got %v", c.mischief, c.kind, err)
		}
	}
}

// ending runs a list and returns the error that it ends with.
func ending[T any](list iter.Seq2[T, error]) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestLiesToTheEngine copies through guests that lie in ways that only the whole transfer shows.
func TestLiesToTheEngine(t *testing.T) {
	for _, c := range []struct {
		mischief string
		source   bool
		kind     backend.Kind
	}{
		{"", false, backend.Unknown},
		{"unstored", false, backend.Invalid},
		{"other-tag", false, backend.Invalid},
		{"no-bytes", true, backend.Corrupt},
	} {
		honest, guest := backendtest.NewMemProvider(), launchMischievous(t, c.mischief)
		source, destination := transfer.Ref{Storage: honest.Container("bucket"), Key: "key"}, transfer.Ref{Storage: guest, Key: "key"}
		data := backendData(5 << 20)
		if c.source {
			source, destination = transfer.Ref{Storage: guest, Key: "key"}, transfer.Ref{Storage: honest.Container("bucket"), Key: "key"}
		}
		if _, err := source.Storage.Put(t.Context(), "key", data, backend.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		engine := transfer.New(transfer.Options{Memory: 4 << 20})
		_, err := engine.Copy(t.Context(), source, destination, transfer.CopyOptions{})
		if c.mischief == "" {
			if err != nil {
				t.Errorf("an honest guest: %v", err)
			}
			continue
		}
		if !errors.Is(err, c.kind) {
			t.Errorf("%s: want %q, got %v", c.mischief, c.kind, err)
		}
		if _, err := destination.Storage.Stat(t.Context(), "key"); !errors.Is(err, backend.NotFound) {
			t.Errorf("%s: the destination shows an object: %v", c.mischief, err)
		}
	}
}

func launchMischievous(t *testing.T, kind string) backend.Storage {
	o := options(t, "mem")
	o.Config.Settings["mischief"] = kind
	return openMem(t, launch(t, o))
}
