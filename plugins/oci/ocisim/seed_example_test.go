package ocisim_test

import (
	"fmt"
	"os"
	"strings"

	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

func ExampleLoadSeed() {
	seed, err := ocisim.LoadSeed(strings.NewReader(`{
		"compartments": [{"path": "team/test"}],
		"buckets": [{"name": "images", "compartment": "team"}],
		"instances": [{"name": "vm", "compartment": "team/test", "disk_bytes": 1048576, "tags": {"env": "test"}}]
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	dir, err := os.MkdirTemp("", "ocisim")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	server, err := ocisim.New(ocisim.Options{Dir: dir, Seed: seed})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	for _, in := range server.Instances() {
		fmt.Println(in.Name, in.State, in.DiskBytes)
	}

	_, err = ocisim.LoadSeed(strings.NewReader(`{"bucket": []}`))
	fmt.Println(err)
	// Output:
	// vm RUNNING 1048576
	// read seed: json: unknown field "bucket"; known keys are those of ocisim.Seed: see docs/ocisim.md
}
