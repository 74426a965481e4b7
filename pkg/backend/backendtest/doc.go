// Package backendtest proves that an implementation of package backend keeps the contract and its own promises.
//
// A new backend needs one test for all of it:
//
//	func TestStorage(t *testing.T) {
//		dir := t.TempDir()
//		open := func(t *testing.T) backend.Storage { return newStorage(t, dir) } // the same container each time
//		locate := func(key string) backend.Location { return backend.Location{Scheme: "file", Path: dir + "/" + key} }
//		backendtest.TestStorage(t, open, backendtest.CheckOptions{Locate: locate})
//	}
//
// Every case runs below a fresh prefix and is about one sentence of the contract; those about a capability that Info does
// not promise check instead that it is refused. Check runs the same cases without a test, also against a real account, and
// leaves nothing behind. Of a container that cannot be written it reads an object that is there, which CheckOptions names.
//
// Mem, MemProvider and MemCompute are complete implementations in memory for tests and benchmarks of what stands on the
// contract. Faults lets calls on any Storage go wrong on schedule. The package proves nothing about Inventory.
package backendtest
