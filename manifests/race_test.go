//go:build race

package manifests

// slack is what the race detector costs.
const slack = 10

const raceEnabled = true
