package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"slices"
	"testing"
	"time"
)

var (
	stamp    = time.Unix(1767225600, 0).UTC()
	forward  = []file{{"LICENSE", []byte("licence"), 0o644}, {"hyperexport", bytes.Repeat([]byte("binary"), 1000), 0o755}}
	backward = []file{forward[1], forward[0]}
)

func TestArchivesOfTheSameFilesAreEqual(t *testing.T) {
	for name, pack := range map[string]func(string, []file, time.Time) ([]byte, error){"tar": tarred, "zip": zipped} {
		first, err := pack("x", forward, stamp)
		if err != nil {
			t.Fatal(err)
		}
		second, err := pack("x", backward, stamp)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, second) {
			t.Errorf("%s: the same files in another order give other bytes", name)
		}
	}
}

func TestTarHoldsTheFiles(t *testing.T) {
	packed, err := tarred("x", backward, stamp)
	if err != nil {
		t.Fatal(err)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	var got []file
	for r := tar.NewReader(unzipped); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !header.ModTime.Equal(stamp) || header.Uid != 0 || header.Uname != "" || header.Gname != "" {
			t.Errorf("%s carries time or owner of this machine: %+v", header.Name, header)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, file{header.Name, data, fs.FileMode(header.Mode)})
	}
	compare(t, got)
}

func TestZipHoldsTheFiles(t *testing.T) {
	packed, err := zipped("x", backward, stamp)
	if err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		t.Fatal(err)
	}
	var got []file
	for _, f := range r.File {
		data, err := fs.ReadFile(r, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, file{f.Name, data, f.Mode()})
	}
	compare(t, got)
}

func compare(t *testing.T, got []file) {
	t.Helper()
	same := slices.EqualFunc(got, forward, func(a, b file) bool {
		return a.name == "x/"+b.name && a.mode == b.mode && bytes.Equal(a.data, b.data)
	})
	if !same {
		t.Errorf("got %v", got)
	}
}
