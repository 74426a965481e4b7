package plugin

import (
	"context"
	"errors"
	"os"
	"strings"
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
	list := func(ctx context.Context, s backend.Storage) error {
		for _, err := range s.List(ctx, "prefix/") {
			if err != nil {
				return err
			}
		}
		return nil
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
		{"negative", stat, backend.NotFound}, {"other-key", stat, backend.NotFound}, {"canceled", stat, backend.Unavailable},
	} {
		h := inProcess(t, nil, "mischief", c.mischief)
		if err := c.call(t.Context(), openMem(t, h)); !errors.Is(err, c.kind) {
			t.Errorf("%s: want %q, got %v", c.mischief, c.kind, err)
		}
	}
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

// TestSecrets looks for the secret wherever a guest could leave it.
func TestSecrets(t *testing.T) {
	var log logged
	o := options(t, "mem")
	o.Log = log.add
	o.Env = []string{"LANG=C"}
	o.Config.Settings["mischief"] = "blab"
	t.Setenv("HOST_SECRET", canary)
	h := launch(t, o)
	s := openMem(t, h)
	_, err := s.Stat(t.Context(), "key")
	if !errors.Is(err, backend.Forbidden) || !strings.Contains(err.Error(), "denied for ***") {
		t.Errorf("got %v", err)
	}
	pid := h.current.process.ID()
	for _, name := range []string{"cmdline", "environ"} {
		content, err := os.ReadFile("/proc/" + pid + "/" + name)
		if err != nil || strings.Contains(string(content), "canary") {
			t.Errorf("%s of the guest has the secret, or cannot be read: %v", name, err)
		}
		if name == "environ" && (!strings.Contains(string(content), "LANG=C") || strings.Contains(string(content), "HOST_SECRET")) {
			t.Errorf("the guest has the environment %q", content)
		}
	}
	h.Close()
	text := log.text()
	if !strings.Contains(text, "the key is ***") || !strings.Contains(text, "raw ***") {
		t.Errorf("the log lacks what the guest printed: %s", text)
	}
	if i := strings.Index(text, canary[:5]); i >= 0 {
		t.Errorf("the log has a part of the secret: %q", text[max(0, i-20):i+len(canary)])
	}
}
