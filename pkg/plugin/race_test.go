//go:build race

package plugin

// raced says that the race detector looks on, which makes copies of bytes five times as dear.
const raced = true
