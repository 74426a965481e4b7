package backendtest_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

func ExampleCheck() {
	bucket := backendtest.NewMem(backendtest.MemOptions{Name: "bucket"})
	open := func() (backend.Storage, string, error) { return bucket, "scratch/", nil }
	err := backendtest.Check(context.Background(), open, backendtest.CheckOptions{Locate: bucket.Location})
	fmt.Println(err)
	// Output: <nil>
}

func ExampleFaults() {
	f := &backendtest.Faults{Storage: backendtest.NewMem(backendtest.MemOptions{}), Rules: []backendtest.Rule{
		{Op: backendtest.OpPut, Key: "logs/*", Nth: 1, After: true, Err: backend.Timeout}, // the answer is lost
	}}
	ctx := context.Background()
	_, err := f.Put(ctx, "logs/a", []byte("text"), backend.PutOptions{})
	o, _ := f.Stat(ctx, "logs/a")
	fmt.Println(errors.Is(err, backend.Timeout), o.Size, f.Calls(backendtest.OpPut))
	// Output: true 4 1
}
