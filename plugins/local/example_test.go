package local_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/local"
)

func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	set := backend.Set{"file": local.New(local.Options{})}

	folder, _, err := set.Open(backend.Location{Scheme: "file", Path: filepath.ToSlash(dir) + "/exports/"})
	if err != nil {
		panic(err)
	}
	obj, err := folder.Put(ctx, "logs/today.txt", []byte("123456789"), backend.PutOptions{})
	fmt.Println(obj.Size, obj.Checksum, err)
	_, err = folder.Put(ctx, "logs/../../today.txt", nil, backend.PutOptions{})
	fmt.Println(err)
	for obj, err := range folder.List(ctx, "logs/t") {
		fmt.Println(obj.Key, err)
	}
	// Output:
	// 9 crc32c:e3069283 <nil>
	// put logs/../../today.txt: key "logs/../../today.txt" cannot be a file name: it has the element ".."
	// logs/today.txt <nil>
}
