package executor

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plan"
	"github.com/hyperexport/hyperexport/plugins/local"
)

// TestStraysAreRemoved leaves temporary files, as a killed process does, where steps of each kind write.
func TestStraysAreRemoved(t *testing.T) {
	dir := t.TempDir()
	began := time.Now()
	leave := func(name string, age time.Duration) {
		t.Helper()
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if err == nil {
			err = os.WriteFile(path, []byte("x"), 0o600)
		}
		if err == nil {
			err = os.Chtimes(path, time.Time{}, began.Add(-age))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	temp := func(n byte) string { return ".hx-0123456789abcdef0123456789abcde" + string(n) + ".part" }
	for _, name := range []string{"tree/sub/" + temp('1'), "one/" + temp('2'), "images/" + temp('3'), "elsewhere/" + temp('4')} {
		leave(name, time.Minute)
	}
	leave("tree/"+temp('5'), -time.Minute) // of somebody who began later
	leave("tree/object", time.Minute)

	at := func(name string) backend.Location {
		return backend.Location{Scheme: "file", Path: filepath.ToSlash(dir) + "/" + name}
	}
	p := &plan.Plan{Steps: []plan.Step{
		{ID: "transfer.tree", Transfer: &plan.Transfer{To: at("tree/"), Tree: true}},
		{ID: "transfer.one", Transfer: &plan.Transfer{To: at("one/object")}},
		{ID: "export.web", Export: &plan.Export{To: []backend.Location{at("images/"), at("none/")}}},
	}}
	cleaner := &Cleaner{Backends: backend.Set{"file": local.New(local.Options{})}}
	strays, err := cleaner.FindStrays(t.Context(), p, began)
	if err != nil || len(strays) != 3 || *strays[0].To != at("tree/sub/"+temp('1')) {
		t.Fatalf("found %v, %v", strays, err)
	}
	for _, l := range strays {
		if err := cleaner.Remove(t.Context(), nil, l); err != nil {
			t.Errorf("remove %s: %v", l, err)
		}
	}
	var left []string
	for _, pattern := range []string{"*/*", "*/.*", "*/*/.*"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
				name, _ = filepath.Rel(dir, name)
				left = append(left, filepath.ToSlash(name))
			}
		}
	}
	slices.Sort(left)
	want := []string{"elsewhere/" + temp('4'), "tree/" + temp('5'), "tree/object"}
	if left = slices.Compact(left); !slices.Equal(left, want) {
		t.Errorf("left: %q, want %q", left, want)
	}
}
