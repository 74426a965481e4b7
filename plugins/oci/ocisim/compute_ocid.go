package ocisim

import "strings"

// isOCID tells whether id has the form of an identifier of one of the kinds; no kinds means any.
func isOCID(id string, kinds ...string) bool {
	parts := strings.Split(id, ".")
	if len(parts) < 5 || parts[0] != "ocid1" || parts[len(parts)-1] == "" {
		return false
	}
	for _, kind := range kinds {
		if parts[1] == kind {
			return true
		}
	}
	return len(kinds) == 0
}
