package plugin_test

import (
	"context"
	"fmt"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/pkg/plugin"
)

// The whole main function of a plugin.
func ExampleServe() {
	plugin.Serve(func(_ context.Context, c plugin.Config) (backend.Provider, error) {
		return &backendtest.MemProvider{Options: backendtest.MemOptions{Name: c.Settings["name"]}}, nil
	})
}

func ExampleLaunch() {
	ctx := context.Background()
	host, err := plugin.Launch(ctx, plugin.Options{
		Name:    "example",
		Command: []string{"/usr/lib/hyperexport/none"},
		Config:  plugin.Config{Settings: map[string]string{"region": "eu"}, Secrets: map[string]string{"key": "..."}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer host.Close()
	bucket, key, err := host.Open(backend.Location{Scheme: "example", Path: "bucket/key"})
	fmt.Println(bucket, key, err)
	// Output: plugin example (/usr/lib/hyperexport/none): stat /usr/lib/hyperexport/none: no such file or directory
}

func ExampleAllow() {
	environ := []string{"HOME=/root", "AWS_REGION=eu", "OTHER=secret"}
	fmt.Println(plugin.Allow(environ, "HOME", "AWS_*"))
	// Output: [HOME=/root AWS_REGION=eu]
}
