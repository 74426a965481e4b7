// Package memory measures the most memory that the command uses while it moves a large object. It is a test program of its
// own, because what the system counts for a process begins with the size of the one that started it.
//
// Its test takes -size MiB for the size of the object.
package memory
