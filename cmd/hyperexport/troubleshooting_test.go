package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// troubleRow is a row of the table of codes: code, HTTP status, what hyperexport says, exit code.
var troubleRow = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\d{3}) \\| ([^|]*) \\| (\\d+) \\| [^|]+ \\|$")

// TestTroubleshooting has the service answer with each code of docs/oci.md and compares what is said, and the exit code.
func TestTroubleshooting(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "oci.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := troubleRow.FindAllStringSubmatch(string(text), -1)
	if len(rows) < 25 {
		t.Fatalf("docs/oci.md has %d rows of codes", len(rows))
	}
	y := newTenancy(t, "version: 1\nname: codes\nretry: {attempts: 1}\ntransfers: {a: {from: oci://axsim/logs/, to: ./logs/}}\n")
	for _, row := range rows {
		code, says := row[1], strings.ReplaceAll(row[3], "`", "")
		status, err := strconv.Atoi(row[2])
		y.Check(err)
		y.sim.Faults().Reset()
		y.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "ListObjects"}, Effect: ocisim.Effect{Status: status, Code: code, Message: "No."}})
		command := []string{"ls", "oci://axsim/logs/"}
		if row[4] == strconv.Itoa(exitTemporary) {
			command = []string{"plan"} // tries as often as the manifest says: once
		}
		exit, output := y.command(command...)
		if strconv.Itoa(exit) != row[4] || !strings.Contains(output, row[2]+" "+code) || !strings.Contains(output, says) {
			t.Errorf("%s %s: the document has exit code %s and %q, there is %d and\n%s", row[2], code, row[4], says, exit, output)
		}
	}
}
