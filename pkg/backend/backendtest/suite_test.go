package backendtest_test

import (
	"fmt"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

func TestMem(t *testing.T) {
	for name, o := range map[string]backendtest.MemOptions{
		"default":    {},
		"sequential": {Sequential: true},
		"limits": {Limits: backend.Limits{MinPart: 1000, MaxPart: 6000, MaxParts: 12, MaxPut: 6 << 20, MaxObject: 4 << 20,
			Connections: 4}},
		"checksums": {Checksums: []backend.Algorithm{backend.CRC64NVME, backend.MD5, backend.SHA256, backend.CRC32C}},
		"unchecked": {Checksums: []backend.Algorithm{}},
		"versioned": {Versioned: true},
	} {
		t.Run(name, func(t *testing.T) { testMem(t, o) })
	}
	for name, without := range map[string]backend.Capabilities{
		"write": {Write: true}, "list": {List: true}, "list-parts": {ListParts: true}, "list-uploads": {ListUploads: true},
		"delete": {Delete: true}, "put-if-absent": {PutIfAbsent: true}, "complete-if-absent": {CompleteIfAbsent: true},
		"if-version": {IfVersion: true}, "mod-time": {ModTime: true}, "browse": {Browse: true},
		"versions": {Versions: true}, "restore": {Restore: true}, "create-container": {CreateContainer: true}, "space": {Space: true}, "delete-all": {DeleteAll: true},
		"lifecycle": {Lifecycle: true},
	} {
		t.Run("without-"+name, func(t *testing.T) { testMem(t, backendtest.MemOptions{Without: without}) })
	}
	for _, size := range []int64{1, 2, 905, 5000, 2 << 20, 2<<20 + 1, existingSize} {
		t.Run(fmt.Sprintf("read-only-%d", size), func(t *testing.T) {
			m := backendtest.NewMem(backendtest.MemOptions{Without: backend.Capabilities{Write: true, List: true, Delete: true, ListUploads: true}})
			m.AddGenerated(existingKey, size, 1)
			backendtest.TestStorage(t, func(*testing.T) backend.Storage { return m }, backendtest.CheckOptions{Existing: existingKey})
		})
	}
	t.Run("without-uploads", func(t *testing.T) {
		testMem(t, backendtest.MemOptions{Limits: backend.Limits{MaxParts: -1}})
	})
}

func testMem(t *testing.T, o backendtest.MemOptions) {
	m := backendtest.NewMem(o)
	existing := ""
	if o.Without.Write {
		existing = m.AddGenerated(existingKey, existingSize, 1).Key
	}
	backendtest.TestStorage(t, func(*testing.T) backend.Storage { return m }, backendtest.CheckOptions{
		Existing: existing, Locate: m.Location, Archive: m.Archive, Fresh: missing,
		Objects: 101, // TestFaultsWithoutRulesChangeNothing has the whole number
	})
}

func missing() (backend.Storage, error) {
	return backendtest.NewMem(backendtest.MemOptions{Missing: true}), nil
}

func TestFaultsWithoutRulesChangeNothing(t *testing.T) {
	m := backendtest.NewMem(versioned)
	f := &backendtest.Faults{Storage: m}
	backendtest.TestStorage(t, func(*testing.T) backend.Storage { return f }, backendtest.CheckOptions{Locate: m.Location, Archive: m.Archive,
		Fresh: func() (backend.Storage, error) {
			s, err := missing()
			return &backendtest.Faults{Storage: s}, err
		}})
}
