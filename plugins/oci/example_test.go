package oci_test

import (
	"context"
	"fmt"
	"log"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci"
)

// Lists what is under a prefix with the credentials of a profile of ~/.oci/config.
func Example() {
	provider, err := oci.New(oci.Config{Profile: "PROD"})
	if err != nil {
		log.Fatal(err)
	}
	defer provider.Close()
	location, err := backend.ParseLocation("oci://axns/logs/2026/")
	if err != nil {
		log.Fatal(err)
	}
	storage, prefix, err := provider.Open(location)
	if err != nil {
		log.Fatal(err)
	}
	for object, err := range storage.List(context.Background(), prefix) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(object.Key, object.Size, object.Checksum)
	}
}
