package oci

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// federated makes the world's account one that signs with a session token, as federated users and principals do.
func (w *world) federated(t *testing.T) {
	t.Helper()
	if err := w.sim.RegisterKey("ST$session", &testKey().PublicKey); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	token, config := filepath.Join(dir, "token"), filepath.Join(dir, "config")
	profile := "[DEFAULT]\ntenancy=" + w.config.TenancyOCID + "\nfingerprint=" + w.config.Fingerprint + "\nregion=" + w.config.Region +
		"\nkey_file=" + w.config.PrivateKeyPath + "\nsecurity_token_file=" + token + "\n"
	for path, text := range map[string]string{token: "session", config: profile} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.config = Config{ConfigFile: config, Endpoint: w.config.Endpoint}
}

// urls returns how many pre-authenticated requests the bucket has.
func (w *world) urls(t *testing.T, bucket string) int {
	t.Helper()
	namespace := w.sim.Namespace()
	resp, err := w.provider(t).objects.ListPreauthenticatedRequests(quick(t.Context()), objectstorage.ListPreauthenticatedRequestsRequest{
		NamespaceName: &namespace, BucketName: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	return len(resp.Items)
}

func TestFederatedUsersExportToAURL(t *testing.T) {
	w := computeWorld(t)
	w.federated(t)
	r := w.request(t, "qcow2", "vmdk")
	id := w.start(t, r)
	done, err := w.finish(t, id)
	if err != nil || len(done.Artifacts) != 2 {
		t.Fatalf("%+v, %v", done, err)
	}
	w.counts(t, 1, 2)
	if n := w.sim.Log().Count("CreatePreauthenticatedRequest"); n != 2 {
		t.Errorf("%d URLs were made for two objects", n)
	}
	if err := w.compute(t).EndExport(t.Context(), id, false); err != nil {
		t.Fatal(err)
	}
	w.empty(t, r)
	if n := w.urls(t, "hx-staging"); n != 0 {
		t.Errorf("%d URLs are left", n)
	}
}

// A user with a key of its own is refused by the name of the bucket, as some are: the URL is the way then.
func TestExportFallsBackToAURL(t *testing.T) {
	w := computeWorld(t)
	w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "ExportImage", Times: 1},
		Effect: ocisim.Effect{Status: 400, Code: "InvalidParameter", Message: "Invalid bucketName"}})
	r := w.request(t, "qcow2")
	id := w.start(t, r)
	if _, err := w.finish(t, id); err != nil {
		t.Fatal(err)
	}
	if err := w.compute(t).EndExport(t.Context(), id, false); err != nil {
		t.Fatal(err)
	}
	if n := w.urls(t, "hx-staging"); n != 0 || w.sim.Log().Count("CreatePreauthenticatedRequest") != 1 {
		t.Errorf("%d URLs are left", n)
	}
}

// The answer to each request of an export to a URL is lost, and the URL with it: none of them stays.
func TestLostURLs(t *testing.T) {
	w := computeWorld(t)
	w.federated(t)
	r := w.request(t, "qcow2")
	for _, op := range []string{"CreatePreauthenticatedRequest", "ExportImage", "DeletePreauthenticatedRequest"} {
		r.Token = "lost-" + strings.ToLower(op)
		w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: op, Times: 1}, Effect: ocisim.Effect{LoseAnswer: true}})
		exports := w.sim.Log().Count("ExportImage")
		for {
			job, err := w.compute(t).StartExport(t.Context(), r)
			if err == nil {
				_, err = w.finish(t, job.ID)
			}
			if err == nil {
				for err = backend.Offline; errors.Is(err, backend.Offline); {
					err = w.compute(t).EndExport(t.Context(), job.ID, false)
				}
			}
			if err == nil {
				break
			}
			if !errors.Is(err, backend.Offline) || strings.Contains(err.Error(), "/p/") {
				t.Fatalf("%s: %v", op, err)
			}
		}
		w.sim.Faults().Reset()
		if n := w.urls(t, "hx-staging"); n != 0 || w.sim.Log().Count("ExportImage") != exports+1 {
			t.Errorf("%s: %d URLs are left after %d exports", op, n, w.sim.Log().Count("ExportImage")-exports)
		}
		w.empty(t, r)
	}
}

func TestHideURLs(t *testing.T) {
	for text, want := range map[string]string{
		"cannot write to https://h/p/S3cret/n/ns/b/b/o/x": "cannot write to https://h/p/***/n/ns/b/b/o/x",
		"/p/a+/=b/n/ and /path/":                          "/p/***/n/ and /path/",
		"nothing":                                         "nothing",
	} {
		if got := hideURLs(text); got != want {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}
