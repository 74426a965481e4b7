package oci

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// defaultProfile is the section that other profiles inherit from.
const defaultProfile = "DEFAULT"

// readProfile returns the values of one profile of an OCI configuration file, those of DEFAULT below them, as the OCI
// CLI does. A profile that names its own user does not inherit the session of DEFAULT.
func readProfile(path, name string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the OCI configuration: %w; `oci setup config` writes one, and `hyperexport simulate oci` one for its simulator", err)
	}
	sections, err := parseProfiles(string(data))
	if err != nil {
		return nil, fmt.Errorf("read the OCI configuration: %s:%w", path, err)
	}
	own, ok := sections[name]
	if !ok {
		return nil, fmt.Errorf("the OCI configuration %s has no profile %s%s", path, clip(name), suggest(name, slices.Sorted(maps.Keys(sections))))
	}
	values := maps.Clone(sections[defaultProfile])
	if values == nil {
		values = map[string]string{}
	}
	if own["user"] != "" {
		delete(values, "security_token_file")
		delete(values, "authentication_type")
	}
	if own["key_file"] != "" {
		delete(values, "pass_phrase")
		delete(values, "passphrase")
	}
	maps.Copy(values, own)
	return values, nil
}

// parseProfiles reads sections of "name = value" lines. A value goes to the end of its line, whatever it contains.
// Errors begin with the number of the line and do not show its text, which may be a secret.
func parseProfiles(text string) (map[string]map[string]string, error) {
	sections := map[string]map[string]string{}
	var current map[string]string
	for i, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			name, ok := strings.CutSuffix(line[1:], "]")
			name = strings.TrimSpace(name)
			if !ok || name == "" {
				return nil, fmt.Errorf("%d: a profile begins with its name in brackets: [NAME]", i+1)
			}
			if sections[name] == nil {
				sections[name] = map[string]string{}
			}
			current = sections[name]
		default:
			name, value, ok := strings.Cut(line, "=")
			if !ok {
				return nil, fmt.Errorf("%d: the line is not of the form name=value", i+1)
			}
			if current == nil {
				return nil, fmt.Errorf("%d: the line stands before the first profile; begin the file with [DEFAULT]", i+1)
			}
			current[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
		}
	}
	return sections, nil
}

// suggest says what exists, and which of it was probably meant.
func suggest(name string, existing []string) string {
	if len(existing) == 0 {
		return "; it has none"
	}
	best, distance := "", len(name)/2+1
	for _, e := range existing {
		if d := editDistance(strings.ToLower(name), strings.ToLower(e)); d < distance {
			best, distance = e, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %s? (it has %s)", best, strings.Join(existing, ", "))
	}
	return "; it has " + strings.Join(existing, ", ")
}

// editDistance counts insertions, deletions and replacements of bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
