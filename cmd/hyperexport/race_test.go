//go:build race

package main

// raced says that each request costs several times as much: what is long without the race detector is cut short with it.
const raced = true
