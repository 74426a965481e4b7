package s3_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/s3"
)

// Lists what is under a prefix with what the environment and the files of the AWS tools say.
func Example() {
	given := s3.Config{Region: "eu-central-1"}
	provider, err := s3.New(given.Over(s3.FromEnvironment(os.Getenv)))
	if err != nil {
		log.Fatal(err)
	}
	defer provider.Close()
	location, err := backend.ParseLocation("s3://logs/2026/")
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
		fmt.Println(object.Key, object.Size, object.Version)
	}
}
