package manifests

import (
	"fmt"
	"strings"
)

// near returns the hint for a name that is not among the valid ones: the one that was probably meant, or "".
func near(name string, valid []string) string {
	best, limit := "", 2
	if len(name) <= 3 {
		limit = 1
	}
	for _, v := range valid {
		if d := distance(name, v, limit); d <= limit {
			best, limit = v, d-1
		}
		if strings.EqualFold(name, v) {
			best, limit = v, -1
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// maxName is the longest name that is compared.
const maxName = 64

// distance is the number of letters to insert, remove, replace or swap with a neighbour to turn a into b. It gives up
// past limit and returns something larger.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d > limit || -d > limit || len(a) > maxName || limit < 0 {
		return limit + 1
	}
	var rows [3][maxName + 3]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least > limit {
			return limit + 1
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
