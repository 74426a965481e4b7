// Package arrows tests what keeps this repository readable and what no linter knows: which package may import which,
// how long a file may be, that package variables never change, that tests do not sleep, and that the documents name
// files and symbols that exist. It has no code of its own, only tests.
//
// A new package fails here until it has a place in the table of arrows_test.go. That is meant as a question: on which
// level does it stand, and what may it know?
package arrows
