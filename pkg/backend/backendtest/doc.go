// Package backendtest proves that an implementation of package backend keeps the contract and its own promises.
//
// TestStorage runs the suite in a test, Check runs it anywhere, also against a real account, and leaves nothing behind.
// Mem, MemProvider and MemCompute are complete implementations in memory for tests and benchmarks of what stands on the
// contract. Faults lets calls on any Storage go wrong on schedule.
package backendtest
