package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/pkg/transfer"
	"github.com/hyperexport/hyperexport/plugins/local"
)

// hostileNames are names of objects that somebody may give to lead a download astray. Each either becomes the file of exactly
// that name in the folder, or is refused.
func hostileNames() []string {
	return []string{
		"plain", "..", "../escape", "../../escape", "../folder-sibling/x", "a/../../escape", "a/..", "./here", ".", "a/./b",
		"/absolute", "//double", "/etc/passwd", "a//b", "trailing/", "deep/trailing/", "back\\slash", "..\\..\\escape", "C:\\windows\\x", "C:", "x:stream",
		"\\\\server\\share", "nul\x00byte", "new\nline", "carriage\rreturn", "tab\tbed", "\x1b[31mred", "bidi\u202eevil", "\u007f",
		strings.Repeat("x", 255), strings.Repeat("y", 256), strings.Repeat("z", 1000), strings.Repeat("deep/", 100) + "end",
		"CON", "con.txt", "PRN", "AUX", "COM1", "LPT1.log", "dot.", "space ", " leading", "...", "..a",
		"invalid\xff\xfe", "é", "e\u0301", "🎉", "\ufeffbom", "Case", "case", "CASE", "file", "file/below",
		".hx-own.part", ".hidden", "-rf", "--help", "~", "~root", "$HOME", "`id`", "*", "?", "|", "%2e%2e/escape", "..%2fescape", "\u2025/x",
		"link/through", "linkfile", "loop/x",
	}
}

// trap is a folder for downloads beside what must not be touched, and with links that lead there.
type trap struct{ root, folder string }

const untouched = "nobody writes here"

func newTrap(root string) (trap, error) {
	t := trap{root, filepath.Join(root, "folder")}
	for _, dir := range []string{"folder", "outside", "folder-sibling"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			return t, err
		}
	}
	if err := os.WriteFile(filepath.Join(root, "sentinel"), []byte(untouched), 0o600); err != nil {
		return t, err
	}
	for name, to := range map[string]string{"link": "../outside", "linkfile": "../sentinel", "loop": "loop"} {
		if err := os.Symlink(to, filepath.Join(t.folder, name)); err != nil {
			return t, err
		}
	}
	return t, nil
}

// check holds what became of the names against the errors of those that were refused. Each object has its name as content.
func (t trap) check(names, errs []string) error {
	if text, err := os.ReadFile(filepath.Join(t.root, "sentinel")); err != nil || string(text) != untouched {
		return fmt.Errorf("the sentinel has %q, %w", text, err)
	}
	found := map[string]bool{}
	err := filepath.WalkDir(t.root, func(path string, e fs.DirEntry, err error) error {
		name, inside := strings.CutPrefix(path, t.folder+"/")
		switch {
		case err != nil:
			return err
		case e.IsDir() || e.Type()&fs.ModeSymlink != 0 || path == filepath.Join(t.root, "sentinel"):
			return nil
		case !inside:
			return fmt.Errorf("%q is outside of the folder", path)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != name {
			return fmt.Errorf("%q has %q, %w", name, text, err)
		}
		found[name] = true
		return nil
	})
	if err != nil {
		return err
	}
	refused := 0
	for _, name := range names {
		if found[name] {
			continue
		}
		refused++
		if !strings.Contains(strings.Join(errs, "\n"), strings.ToValidUTF8(name, "\ufffd")) {
			return fmt.Errorf("%q is neither there nor refused", name)
		}
	}
	if refused != len(errs) || len(found)+refused != len(names) {
		return fmt.Errorf("%d names: %d are there, %d are not, and there are %d errors", len(names), len(found), refused, len(errs))
	}
	return nil
}

// TestHostileNames copies from a container that takes every name.
func TestHostileNames(t *testing.T) {
	names := hostileNames()
	if len(names) < 40 {
		t.Fatalf("only %d names", len(names))
	}
	mem := backendtest.NewMem(backendtest.MemOptions{})
	for _, name := range names {
		if _, err := mem.Put(t.Context(), "h/"+name, []byte(name), backend.PutOptions{}); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
	}
	trap, err := newTrap(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := backend.Location{Scheme: "file", Path: trap.folder + "/"}
	folder, _, err := local.New(local.Options{}).Open(at)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transfer.New(transfer.Options{}).CopyTree(t.Context(), transfer.Ref{Storage: mem, Key: "h/"},
		transfer.Ref{Storage: folder, At: at}, transfer.TreeOptions{Selection: transfer.Selection{Existing: transfer.Overwrite}})
	if err == nil {
		t.Error("all of them were taken")
	}
	var errs []string
	for _, err := range res.Errors {
		errs = append(errs, strings.ToValidUTF8(err.Error(), "\ufffd"))
	}
	if err := trap.check(names, errs); err != nil {
		t.Error(err)
	}
}

// hostile put BUCKET: puts an object under each hostile name that the service takes, below "h/", and lays the trap.
// hostile check FILE: holds the folder of the trap against the document of the copy.
func cmdHostile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: hostile put bucket, or hostile check file")
	}
	list, sim := ts.MkAbs(".hostile"), simOf(ts)
	if args[0] == "put" {
		names := sim.putHostile(ts, args[1])
		text, err := json.Marshal(names)
		ts.Check(err)
		ts.Check(os.WriteFile(list, text, 0o600))
		_, err = newTrap(ts.MkAbs("trap"))
		ts.Check(err)
		return
	}
	var names [][]byte
	text, err := os.ReadFile(list)
	ts.Check(err)
	ts.Check(json.Unmarshal(text, &names))
	var doc struct{ Errors []string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &doc))
	var all []string
	for _, name := range names {
		all = append(all, string(name))
	}
	ts.Check(trap{ts.MkAbs("trap"), ts.MkAbs("trap/folder")}.check(all, doc.Errors))
}

// putHostile returns the names that the service took; they must be forty at least.
func (s *simulator) putHostile(ts *testscript.TestScript, bucket string) (names [][]byte) {
	namespace := s.Namespace()
	for _, name := range hostileNames() {
		key, size := "h/"+name, int64(len(name))
		_, err := s.storage(ts).PutObject(context.Background(), objectstorage.PutObjectRequest{NamespaceName: &namespace, BucketName: &bucket,
			ObjectName: &key, ContentLength: &size, PutObjectBody: io.NopCloser(bytes.NewReader([]byte(name)))})
		if err == nil {
			names = append(names, []byte(name))
		} else {
			ts.Logf("the service refuses %q", name)
		}
	}
	if len(names) < 40 {
		ts.Fatalf("the service took only %d names", len(names))
	}
	return names
}
