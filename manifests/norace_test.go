//go:build !race

package manifests

// slack is for slow machines and the garbage collector's own threads.
const slack = 2

const raceEnabled = false
