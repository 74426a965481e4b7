package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hyperexport/hyperexport/internal/testbin"
)

// TestProofSeesEachFault plays the demonstration, finds that every fact holds, and then breaks them one after the other.
func TestProofSeesEachFault(t *testing.T) {
	bin, err := testbin.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d := &demo{bin: bin, dir: t.TempDir(), out: t.Output()}
	t.Cleanup(func() {
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	})
	if err := d.play(t.Context()); err != nil {
		t.Fatal(err)
	}
	if wrong := d.wrong(t); len(wrong) != 0 {
		t.Fatalf("do not hold, though nothing was broken: %q", wrong)
	}
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T)
		want  string // begin of the one fact that does not hold
	}{
		{"bit of an image", d.flip("images/web-01.qcow2"), "images/web-01.qcow2: its content"},
		{"bit of the other format", d.flip("images/web-02.vmdk"), "images/web-02.vmdk: its content"},
		{"header of an image", d.edit("images/web-02.qcow2", func(b []byte) []byte { return append([]byte("QFI?"), b[4:]...) }), "images/web-02.qcow2: qemu-img"},
		{"byte of a file", d.flip("back/disk.img"), "back/"},
		{"missing file", d.edit("back/empty", nil), "back/"},
		{"byte at S3", func(t *testing.T) { d.spoilBucket(t) }, "S3: 24 files"},
		{"upload at S3", func(t *testing.T) {
			d.found.parts = []string{"multipart/1"}
			t.Cleanup(func() { d.found.parts = nil })
		}, "left at S3: 1"},
		{"second image", d.repeat("CreateImage"), "request log: 3 CreateImage"},
		{"second export", d.repeat("ExportImage"), "request log: 5 ExportImage"},
		{"temporary file", d.add("images/.hx-0123456789abcdef0123456789abcdef.part"), "left here: 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.spoil(t)
			wrong := d.wrong(t)
			if len(wrong) == 0 || len(wrong) > 2 || !strings.HasPrefix(wrong[0], c.want) {
				t.Errorf("do not hold: %q, want the one that begins with %q", wrong, c.want)
			}
		})
	}
	if wrong := d.wrong(t); len(wrong) != 0 {
		t.Fatalf("do not hold, though everything was put back: %q", wrong)
	}
}

// wrong returns the facts that do not hold.
func (d *demo) wrong(t *testing.T) []string {
	t.Helper()
	facts, err := d.prove(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var wrong []string
	for _, f := range facts {
		if f.err != nil {
			wrong = append(wrong, f.text)
		}
	}
	if failed := printFacts(t.Output(), facts); failed != len(wrong) {
		t.Errorf("%d facts are said not to hold, those are %d", failed, len(wrong))
	}
	return wrong
}

// edit changes a file, or removes it, until the test ends.
func (d *demo) edit(name string, change func([]byte) []byte) func(*testing.T) {
	return func(t *testing.T) {
		path := filepath.Join(d.dir, name)
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := os.WriteFile(path, before, 0o600); err != nil {
				t.Error(err)
			}
		})
		if change == nil {
			err = os.Remove(path)
		} else {
			err = os.WriteFile(path, change(bytes.Clone(before)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// spoilBucket changes what was read at the S3 server, which is gone by now.
func (d *demo) spoilBucket(t *testing.T) {
	before := d.found.bucket.Files["disk.img"]
	d.found.bucket.Files["disk.img"] = "00"
	t.Cleanup(func() { d.found.bucket.Files["disk.img"] = before })
}

// flip inverts a bit in the middle of the last megabyte, where images have data.
func (d *demo) flip(name string) func(*testing.T) {
	return d.edit(name, func(b []byte) []byte {
		b[len(b)-1<<19] ^= 1
		return b
	})
}

// repeat adds the last request of an operation to the log once more.
func (d *demo) repeat(operation string) func(*testing.T) {
	return d.edit(logName, func(b []byte) []byte {
		for line := range bytes.Lines(b) {
			if bytes.Contains(line, []byte(`"operation":"`+operation+`"`)) {
				return append(b, line...)
			}
		}
		return b
	})
}

// add makes an empty file until the test ends.
func (d *demo) add(name string) func(*testing.T) {
	return func(t *testing.T) {
		path := filepath.Join(d.dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(path) })
	}
}
