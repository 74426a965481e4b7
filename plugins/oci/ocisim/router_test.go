package ocisim

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestRouter(t *testing.T) {
	rt := newRouter(append(append(objectStorageOperations(), computeOperations()...), identityOperations()...))
	for _, tc := range []struct{ method, path, operation, name, value string }{
		{"GET", "/n", "GetNamespace", "", ""},
		{"GET", "/n/", "GetNamespace", "", ""},
		{"GET", "/n/ns/", "GetNamespaceMetadata", "ns", "ns"},
		{"GET", "/n/ns/b/", "ListBuckets", "ns", "ns"},
		{"POST", "/n/ns/b/bk/", "UpdateBucket", "bucket", "bk"},
		{"GET", "/n/ns/b/bk/o", "ListObjects", "bucket", "bk"},
		{"GET", "/n/ns/b/bk/o/", "ListObjects", "bucket", "bk"},
		{"GET", "/n/ns/b/bk/o//", "GetObject", "object", "/"},
		{"GET", "/n/ns/b/bk/o//a/Object_11", "GetObject", "object", "/a/Object_11"},
		{"GET", "/n/ns/b/bk/o/a//../b/", "GetObject", "object", "a//../b/"},
		{"GET", "/n/ns/b/bk/o/a%2Fb", "GetObject", "object", "a/b"},
		{"GET", "/n/ns/b/bk/o/%3F%23%25", "GetObject", "object", "?#%"},
		{"PUT", "/n/ns/b/bk/u/o/u/x", "UploadPart", "object", "o/u/x"},
		{"GET", "/n/ns/b/bk/p/EYi/Ed9+r=:a/b", "GetPreauthenticatedRequest", "par", "EYi/Ed9+r=:a/b"},
		{"GET", "/n/ns/b/bk/p/", "ListPreauthenticatedRequests", "bucket", "bk"},
		{"GET", "/p/token/n/ns/b/bk/o/a/b", "GetObject", "token", "token"},
		{"POST", "/n/ns/b/bk/actions/renameObject", "RenameObject", "bucket", "bk"},
		{"GET", "/workRequests/id/logs", "ListWorkRequestLogs", "id", "id"},
		{"GET", "/20160918/instances/", "ListInstances", "", ""},
		{"GET", "/20160918/workRequests/id", "GetWorkRequest", "", ""},
	} {
		u, err := url.ParseRequestURI(tc.path)
		if err != nil {
			t.Fatal(err)
		}
		op, vars, _ := rt.find(tc.method, u)
		if op == nil || op.name != tc.operation || vars[tc.name] != tc.value {
			t.Errorf("%s %s: got %+v with %v, want %s with %s=%q", tc.method, tc.path, op, vars, tc.operation, tc.name, tc.value)
		}
	}
}

func TestUnknownPaths(t *testing.T) {
	b := newTestbed(t, Options{})
	for path, want := range map[string]int{"/": 404, "/nothing": 404, "/n/ns/b/bk/unknown": 404, "/n/a/b/c/o/%zz": 400, "/20160918/unknown": 404} {
		status := 0
		func() {
			conn := b.raw("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			defer conn.Body.Close()
			status = conn.StatusCode
		}()
		equal(t, path, status, want)
	}
	status, text := b.status(signed{method: "DELETE", path: "/n"})
	if status != http.StatusMethodNotAllowed {
		t.Errorf("got %d %s", status, text)
	}
}

// TestOperationNames: the log and the faults go by the names of the SDK, each of which has one meaning in a service.
func TestOperationNames(t *testing.T) {
	seen := map[string]bool{}
	for _, op := range objectStorageOperations() {
		key := op.method + " " + op.pattern
		if seen[key] {
			t.Errorf("%s is there twice", key)
		}
		seen[key] = true
		if op.public != (strings.HasPrefix(op.pattern, "/p/")) {
			t.Errorf("%s is public: %v", key, op.public)
		}
	}
}
