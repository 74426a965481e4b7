package ocisim

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

func TestWriteConfig(t *testing.T) {
	b := newTestbed(t, Options{Region: "eu-frankfurt-1"})
	path, profile, err := b.WriteConfig(t.TempDir(), b.URL)
	b.must(err)
	text, err := os.ReadFile(path)
	b.must(err)
	if !strings.Contains(string(text), b.URL) {
		t.Errorf("the endpoint is not named in %s", text)
	}
	provider := common.CustomProfileConfigProvider(path, profile)
	if ok, err := common.IsConfigurationProviderValid(provider); !ok {
		t.Fatalf("the SDK does not accept the configuration: %v", err)
	}
	region, err := provider.Region()
	b.must(err)
	equal(t, "region", region, "eu-frankfurt-1")
	client, err := objectstorage.NewObjectStorageClientWithConfigurationProvider(provider)
	b.must(err)
	b.connect(&client.BaseClient)
	resp, err := client.GetNamespace(b.ctx, objectstorage.GetNamespaceRequest{})
	b.must(err)
	equal(t, "namespace", *resp.Value, b.Namespace())
	if runtime.GOOS == "windows" {
		return
	}
	for _, file := range []string{path, strings.TrimSuffix(path, "config") + "oci_api_key.pem"} {
		info, err := os.Stat(file)
		b.must(err)
		equal(t, "mode of "+file, info.Mode().Perm(), 0o600)
	}
}
