// Package proof checks what an export and a copy have left, without any of the code that made it: qemu-img reads the
// images, the sums of files are taken from the disk, and Oracle's own SDK asks a simulator of OCI what is there.
//
// The demonstration prints its findings and the end-to-end tests demand them.
package proof

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// CheckImage has qemu-img check the structure of a disk image of the given format.
func CheckImage(ctx context.Context, path, format string) error {
	return run(exec.CommandContext(ctx, "qemu-img", "check", "-q", "-f", format, path))
}

// DiskSHA256 returns the SHA-256, in hex, of the disk that an image of the given format holds. qemu-img writes the raw disk to a file
// in the folder scratch, which is removed again.
func DiskSHA256(ctx context.Context, path, format, scratch string) (string, error) {
	raw := filepath.Join(scratch, filepath.Base(path)+".raw")
	defer os.Remove(raw)
	if err := run(exec.CommandContext(ctx, "qemu-img", "convert", "-f", format, "-O", "raw", path, raw)); err != nil {
		return "", err
	}
	return FileSHA256(raw)
}

// run runs a command that says nothing when all is well.
func run(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w: apt install qemu-utils", err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args[:2], " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// FileSHA256 returns the SHA-256 of a file in hex.
func FileSHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Folder holds the SHA-256 of each file below a folder, by its path from there, with slashes.
type Folder struct {
	Files map[string]string
	Bytes int64
}

// ReadFolder reads every file below dir.
func ReadFolder(dir string) (Folder, error) {
	f := Folder{Files: map[string]string{}}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		f.Bytes += info.Size()
		f.Files[filepath.ToSlash(name)], err = FileSHA256(path)
		return err
	})
	return f, err
}

// Equal says what differs between f and the folder that it should equal; nil if nothing does.
func (f Folder) Equal(want Folder) error {
	var wrong []string
	for name, sum := range want.Files {
		switch got, ok := f.Files[name]; {
		case !ok:
			wrong = append(wrong, name+" is missing")
		case got != sum:
			wrong = append(wrong, name+" has other bytes")
		}
	}
	for name := range f.Files {
		if _, ok := want.Files[name]; !ok {
			wrong = append(wrong, name+" is too much")
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	return errors.New(strings.Join(wrong, ", "))
}

// TemporaryFiles lists the files below dir that a backend for folders collects bytes in before they get their name.
func TemporaryFiles(dir string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(entry.Name(), ".hx-") {
			found = append(found, path)
		}
		return err
	})
	return found, err
}
