package ocisim_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// A test of any program that talks to OCI: start a simulator, point the program at it, inject a fault, look at what it sent.
func Example() {
	dir, err := os.MkdirTemp("", "ocisim")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	sim, err := ocisim.New(ocisim.Options{Dir: dir})
	if err != nil {
		panic(err)
	}
	defer sim.Close()
	web := httptest.NewServer(sim)
	defer web.Close()
	sim.Faults().Add(ocisim.Fault{
		Match:  ocisim.Match{Operation: "ListBuckets", Times: 2},
		Effect: ocisim.Effect{Status: 503},
	})

	path, profile, err := sim.WriteConfig(filepath.Join(dir, "oci"), web.URL)
	if err != nil {
		panic(err)
	}
	client, err := objectstorage.NewObjectStorageClientWithConfigurationProvider(common.CustomProfileConfigProvider(path, profile))
	if err != nil {
		panic(err)
	}
	client.Host = web.URL // last: SetRegion would overwrite it
	acme, err := sim.CompartmentID("acme")
	if err != nil {
		panic(err)
	}
	for {
		list, err := client.ListBuckets(context.Background(), objectstorage.ListBucketsRequest{
			NamespaceName: common.String(sim.Namespace()), CompartmentId: &acme,
			RequestMetadata: common.RequestMetadata{RetryPolicy: noRetries()},
		})
		if err != nil {
			continue // the program under test would wait
		}
		for _, bucket := range list.Items {
			fmt.Println(*bucket.Name)
		}
		break
	}
	fmt.Println("calls:", sim.Log().Count("ListBuckets"))
	// Output:
	// archive
	// hx-staging
	// logs
	// calls: 3
}

func noRetries() *common.RetryPolicy {
	policy := common.NoRetryPolicy()
	return &policy
}
