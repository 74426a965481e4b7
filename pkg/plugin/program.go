package plugin

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// program is the file that a plugin is started from, also when it is started again.
type program struct {
	path string   // what is executed
	file *os.File // the sealed memory that path names; nil if there is none
	dir  string   // our own folder with a copy; "" if there is none
}

var errDigest = errors.New("digest")

// openProgram returns the program at path. If it is to have a digest, what is executed later is what was read here, whatever
// happens to the path meanwhile.
func openProgram(path, digest string) (_ *program, err error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "execute", Path: path, Err: fs.ErrPermission}
	case digest == "":
		return &program{path: path}, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	p, err := sealProgram(file, digest)
	if p == nil && err == nil {
		p, err = copyProgram(file, info.Mode(), digest)
	}
	return p, err
}

// copyOf copies the program in file to to, and fails unless the copy has the digest.
func copyOf(to io.Writer, file *os.File, digest string) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum, err := sha256Of(io.TeeReader(file, to))
	if err == nil && !strings.EqualFold(sum, digest) {
		err = fmt.Errorf("its SHA-256 is %s and should be %s: %w", sum, digest, errDigest)
	}
	return err
}

// Digest returns the SHA-256, in hexadecimal, of the program at path, which is what Options.SHA256 is compared with. The
// error is an *Error.
func Digest(path string) (string, error) {
	fault := func(reason Reason, err error) error {
		var at *fs.PathError
		if errors.As(err, &at) {
			err = at.Err // the path stands before it
		}
		return &Error{Plugin: filepath.Base(path), Path: path, Reason: reason, Err: err}
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() { // opening a pipe would wait for its other end
		err = &fs.PathError{Op: "read", Path: path, Err: fs.ErrPermission}
	}
	if err != nil {
		return "", fault(reasonOf(err, path), err)
	}
	file, err := os.Open(path)
	if err != nil {
		return "", fault(reasonOf(err, path), err)
	}
	defer file.Close()
	sum, err := sha256Of(file)
	if err != nil {
		return "", fault(NotExecutable, err)
	}
	return sum, nil
}

func sha256Of(r io.Reader) (string, error) {
	hash := sha256.New()
	if _, err := io.Copy(hash, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// copyProgram makes a copy in a folder of our own.
func copyProgram(file *os.File, mode fs.FileMode, digest string) (_ *program, err error) {
	dir, err := os.MkdirTemp("", "hyperexport-plugin-") // 0700
	if err != nil {
		return nil, err
	}
	p := &program{path: filepath.Join(dir, filepath.Base(file.Name())), dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	copied, err := os.OpenFile(p.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode.Perm()&0o500|0o400)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(copyOf(copied, file, digest), copied.Close()); err != nil {
		return nil, err
	}
	return p, nil
}

// command returns the command that executes the program. argv has the name that the user gave.
func (p *program) command(argv []string) *exec.Cmd {
	return &exec.Cmd{Path: p.path, Args: argv}
}

func (p *program) close() error {
	var errs []error
	if p.file != nil {
		errs = append(errs, p.file.Close())
	}
	if p.dir != "" {
		errs = append(errs, os.RemoveAll(p.dir))
	}
	return errors.Join(errs...)
}

// reasonOf says what an error of opening or starting a program means.
func reasonOf(err error, path string) Reason {
	_, statErr := os.Stat(path)
	switch {
	case errors.Is(err, errDigest):
		return WrongDigest
	case wrongSystem(err):
		return WrongSystem
	case errors.Is(err, fs.ErrPermission):
		return NotExecutable
	case errors.Is(statErr, fs.ErrNotExist), statErr != nil && !errors.Is(statErr, fs.ErrPermission):
		return Missing
	case errors.Is(err, fs.ErrNotExist): // the file is there, and what it wants to be run by is not
		return WrongSystem
	}
	return NotExecutable
}
