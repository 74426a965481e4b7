package ocisim_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// The code of docs/ocisim.md stands here line by line: TestDocumentedCode compares them.

// TestBackup is the whole test of a program, backup, that writes to object storage.
func TestBackup(t *testing.T) {
	sim, err := ocisim.New(ocisim.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	web := httptest.NewServer(sim)
	t.Cleanup(web.Close)

	path, profile, err := sim.WriteConfig(t.TempDir(), web.URL) // a fresh key and an OCI configuration file
	if err != nil {
		t.Fatal(err)
	}
	client, err := objectstorage.NewObjectStorageClientWithConfigurationProvider(common.CustomProfileConfigProvider(path, profile))
	if err != nil {
		t.Fatal(err)
	}
	client.Host = web.URL // last: SetRegion and SetCustomClientConfiguration overwrite it

	sim.Faults().Add(ocisim.Fault{
		Match:  ocisim.Match{Operation: "PutObject", Nth: 1},
		Effect: ocisim.Effect{Status: 429, RetryAfter: time.Second},
	})
	if err := backup(t.Context(), client, sim.Namespace(), "archive", "notes.txt", "content"); err != nil {
		t.Fatal(err)
	}
	if n := sim.Log().Count("PutObject"); n != 2 {
		t.Errorf("PutObject was called %d times, want a second time after 429", n)
	}
}

// backup puts an object and does so again if the service is busy.
func backup(ctx context.Context, client objectstorage.ObjectStorageClient, namespace, bucket, name, content string) error {
	for {
		_, err := client.PutObject(ctx, objectstorage.PutObjectRequest{
			NamespaceName: &namespace, BucketName: &bucket, ObjectName: &name, ContentLength: common.Int64(int64(len(content))),
			PutObjectBody:   io.NopCloser(strings.NewReader(content)),
			RequestMetadata: common.RequestMetadata{RetryPolicy: noRetries()},
		})
		var answer common.ServiceError
		if !errors.As(err, &answer) || answer.GetHTTPStatusCode() != 429 {
			return err
		}
	}
}

// ExampleServer_Faults makes the third part of an upload arrive twice, and the first answer to a commit get lost.
func ExampleServer_Faults() {
	sim, end := start()
	defer end()

	sim.Faults().Add(ocisim.Fault{
		Match:  ocisim.Match{Operation: "UploadPart", Query: "&uploadPartNum=3&", Times: 1},
		Effect: ocisim.Effect{LateDuplicate: 5 * time.Second, ResetAfter: true},
	})
	sim.Faults().Add(ocisim.Fault{
		Match:  ocisim.Match{Operation: "CommitMultipartUpload", Nth: 1},
		Effect: ocisim.Effect{LoseAnswer: true},
	})
	sim.Faults().Add(ocisim.Fault{
		Match:  ocisim.Match{Path: "/b/archive", Probability: 0.1, Seed: 1},
		Effect: ocisim.BucketNotFound(),
	})
	fmt.Println(sim.Faults().Struck())
	// Output: 0
}

// ExampleManualClock archives what is older than a day.
func ExampleManualClock() {
	clock := ocisim.NewManualClock(time.Now())
	sim, end := startWith(ocisim.Options{Clock: clock})
	defer end()

	begin := clock.Now()
	clock.Advance(48 * time.Hour) // images, exports, copies, restored objects, lifecycle policies: all that falls due happens
	fmt.Println(clock.Now().Sub(begin), sim.Log().Count("PutObject"))
	// Output: 48h0m0s 0
}

// ExampleServer_RegionHandler serves two regions of one tenancy at two addresses.
func ExampleServer_RegionHandler() {
	sim, end := startWith(ocisim.Options{Seed: &ocisim.Seed{
		Regions: []string{"us-ashburn-1"},
		Buckets: []ocisim.SeedBucket{{Name: "here"}, {Name: "there", Region: "us-ashburn-1"}},
	}})
	defer end()

	home := httptest.NewServer(sim)
	defer home.Close()
	ashburn := httptest.NewServer(sim.RegionHandler("us-ashburn-1"))
	defer ashburn.Close()
	fmt.Println(home.URL != ashburn.URL)
	// Output: true
}

// start starts a simulator in a temporary directory.
func start() (*ocisim.Server, func()) { return startWith(ocisim.Options{}) }

func startWith(o ocisim.Options) (*ocisim.Server, func()) {
	dir, err := os.MkdirTemp("", "ocisim")
	if err != nil {
		panic(err)
	}
	o.Dir = dir
	sim, err := ocisim.New(o)
	if err != nil {
		panic(err)
	}
	return sim, func() {
		sim.Close()
		os.RemoveAll(dir)
	}
}

// ExampleServer_Rules takes from instances what they may delete in a compartment. It is compiled only: what rules do is
// tested beside them.
func ExampleServer_Rules() {
	sim, end := start()
	defer end()

	sim.Rules().Add(ocisim.Rule{Principal: "instance", Operation: "Delete*", Compartment: "acme/prod"})
}
