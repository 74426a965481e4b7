package oci

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCodesAreDocumented holds the table of docs/oci.md against the codes that are treated in a way of their own.
func TestCodesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/oci.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| \\d{3} \\| ([^|]*) \\|").FindAllStringSubmatch(string(text), -1) {
		if _, twice := rows[row[1]]; twice {
			t.Errorf("docs/oci.md has two rows for %s", row[1])
		}
		rows[row[1]] = strings.ReplaceAll(row[2], "`", "")
	}
	for _, code := range slices.Sorted(maps.Keys(kindOfCode)) {
		if _, ok := rows[code]; !ok {
			t.Errorf("docs/oci.md has no row for %s, which is %q", code, kindOfCode[code])
		}
	}
	for _, code := range slices.Sorted(maps.Keys(adviceOfCode)) {
		if rows[code] != adviceOfCode[code] {
			t.Errorf("docs/oci.md says of %s %q, hyperexport %q", code, rows[code], adviceOfCode[code])
		}
	}
}
