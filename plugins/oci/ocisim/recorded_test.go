package ocisim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/common"
)

// recordedRow is one line of testdata/oci-recorded.tsv: the shape of recorded answers of real OCI hosts.
type recordedRow struct {
	host, method, path, status string
	kind                       string // of the body: object, array, scalar, empty
	headers                    []string
	keys                       map[string]bool // of the object, or of the array's items; true if seen as null
}

func (r recordedRow) name() string { return r.method + " " + r.path + " " + r.status }

func (r recordedRow) operation() string { return r.host + " " + r.method + " " + r.path }

// rawRequest is a request that is to be answered in the shape of a row.
type rawRequest struct {
	vars   map[string]string // for the {words} in the row's path
	query  string
	header map[string]string
	body   any // encoded as JSON; a string is object data
}

// rawAnswer is an answer as it came over the wire.
type rawAnswer struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request with a body and signs it as the SDK does.
func (c *cloud) do(method, path string, q rawRequest) rawAnswer {
	c.t.Helper()
	data, isData := q.body.(string)
	if q.body != nil && !isData {
		data = string(must(json.Marshal(q.body))(c.t))
	}
	if q.query != "" {
		path += "?" + q.query
	}
	r := must(http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(data)))(c.t)
	r.Header.Set("Date", c.clock.Now().UTC().Format(http.TimeFormat))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("opc-client-request-id", "recorded")
	for k, v := range q.header {
		r.Header.Set(k, v)
	}
	signer := common.DefaultRequestSigner(c.provider)
	if isData {
		signer = common.RequestSignerExcludeBody(c.provider)
	}
	if err := signer.Sign(r); err != nil {
		c.t.Fatal(err)
	}
	answer := must(http.DefaultTransport.RoundTrip(r))(c.t)
	defer answer.Body.Close()
	body := must(io.ReadAll(answer.Body))(c.t)
	return rawAnswer{answer.StatusCode, answer.Header, body}
}

// TestRecordedShapes holds every operation that is simulated against the shapes of recorded answers. Rows without a
// request in recordedRequests must be of operations that are not simulated: then OCI's host or the simulator says so.
func TestRecordedShapes(t *testing.T) {
	t.Parallel()
	rows, requests := readRecorded(t), recordedRequests()
	covered, served := 0, map[string]bool{}
	t.Run("simulated", func(t *testing.T) {
		for _, row := range rows {
			make, ok := requests[row.host+" "+row.name()]
			if !ok {
				continue
			}
			covered++
			served[row.operation()] = true
			t.Run(row.host+"/"+row.name(), func(t *testing.T) {
				t.Parallel()
				c := newCloud(t, recordedSeed())
				row.check(t, c.play(row, make(c)))
			})
		}
	})
	if covered != len(requests) {
		t.Errorf("%d rows have a request, but there are %d requests", covered, len(requests))
	}
	t.Run("others are not simulated", func(t *testing.T) { checkNotSimulated(t, rows, requests) })
	missing := map[string]bool{}
	for _, row := range rows {
		switch {
		case !served[row.operation()]:
			missing[row.operation()] = true
		case requests[row.host+" "+row.name()] == nil:
			t.Logf("the operation is simulated, but not this answer: %s %s", row.host, row.name())
		}
	}
	fmt.Printf("recorded shapes covered: %d of %d rows (%d operations not simulated)\n", covered, len(rows), len(missing))
	t.Logf("not simulated:\n\t%s", strings.Join(slices.Sorted(maps.Keys(missing)), "\n\t"))
}

// play sends the request to the row's path.
func (c *cloud) play(row recordedRow, q rawRequest) rawAnswer {
	path := row.path
	for name, value := range q.vars {
		path = strings.Replace(path, "{"+name+"}", value, 1)
	}
	path = strings.Replace(path, "{ns}", "axsim", 1)
	return c.do(row.method, path, q)
}

// check compares the answer with the row.
func (r recordedRow) check(t *testing.T, have rawAnswer) {
	t.Helper()
	if fmt.Sprint(have.status) != r.status {
		t.Fatalf("have status %d: %s", have.status, have.body)
	}
	for _, name := range r.headers {
		if have.header.Get(name) == "" && !excused(r, "header "+name) {
			t.Errorf("the answer lacks the header %s; it has %v", name, have.header)
		}
	}
	objects, kind := decodeBody(t, have.body)
	if kind != r.kind {
		t.Errorf("the body is of kind %s, want %s: %s", kind, r.kind, have.body)
	}
	if len(objects) == 0 && len(r.keys) > 0 {
		t.Errorf("the body has no object to compare with: %s", have.body)
	}
	for _, object := range objects {
		for key, nullable := range r.keys {
			value, present := object[key]
			if !present && !excused(r, "key "+key) {
				t.Errorf("the body lacks the key %s", key)
			}
			if present && string(value) == "null" && !nullable && !excused(r, "null "+key) {
				t.Errorf("the key %s is null, which it never was", key)
			}
		}
	}
}

// decodeBody returns the object of the body, or the objects in its array.
func decodeBody(t *testing.T, body []byte) ([]map[string]json.RawMessage, string) {
	t.Helper()
	var array []map[string]json.RawMessage
	var object map[string]json.RawMessage
	switch {
	case len(body) == 0:
		return nil, "empty"
	case json.Unmarshal(body, &array) == nil:
		return array, "array"
	case json.Unmarshal(body, &object) == nil:
		return []map[string]json.RawMessage{object}, "object"
	}
	return nil, "scalar"
}

// excused tells whether a difference has a reason in recordedExceptions.
func excused(r recordedRow, what string) bool {
	for _, e := range recordedExceptions() {
		if e.what == what && (e.host == "" || e.host == r.host) && (e.row == "" || strings.HasPrefix(r.name(), e.row)) {
			return true
		}
	}
	return false
}

// checkNotSimulated sends something to the path of every row that has no request, and wants the simulator to say that
// it does not know the operation.
func checkNotSimulated(t *testing.T, rows []recordedRow, requests map[string]func(*cloud) rawRequest) {
	c := newCloud(t, recordedSeed())
	vars := map[string]string{
		"id": "ocid1.any.oc1..a", "uuid": "0c710a65-b01f-4a28-8ea4-6f2dbd1a2b3c", "name": "n", "bucket": "logs", "object": "o", "par": "p",
	}
	for _, row := range rows {
		if _, ok := requests[row.host+" "+row.name()]; ok || unreachable(row) {
			continue
		}
		row.path = strings.ReplaceAll(row.path, "{id}", vars["id"]) // some paths have several
		have := c.play(row, rawRequest{vars: vars, body: map[string]string{}})
		log := c.server.Log().All()
		if op := log[len(log)-1].Operation; op != "Unknown" && have.status != http.StatusNotImplemented {
			t.Errorf("%s %s is simulated as %s but no request covers it: %d %s", row.host, row.name(), op, have.status, have.body)
		}
	}
}

// readRecorded reads testdata/oci-recorded.tsv, whose first line says what the columns are.
func readRecorded(t *testing.T) []recordedRow {
	t.Helper()
	var rows []recordedRow
	for _, line := range strings.Split(string(readFile(t, "testdata/oci-recorded.tsv")), "\n")[1:] {
		if line == "" {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 8 {
			t.Fatalf("a line has %d columns, want 8: %s", len(f), line)
		}
		row := recordedRow{host: f[0], method: f[1], path: f[2], status: f[3], kind: f[5], headers: strings.Fields(f[6]), keys: map[string]bool{}}
		for _, key := range strings.Fields(f[7]) {
			name, nullable := strings.CutSuffix(key, "?")
			row.keys[name] = nullable
		}
		rows = append(rows, row)
	}
	return rows
}
