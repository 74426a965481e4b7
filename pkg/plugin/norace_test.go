//go:build !race

package plugin

// raced says that the race detector looks on.
const raced = false
