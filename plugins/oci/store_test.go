package oci

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

const testVaultKey = "ocid1.key.oc1.phx.vault.aaaa"

func TestStoreIsChecked(t *testing.T) {
	good := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", keyBytes)))
	for _, c := range []struct {
		config Config
		want   string // in the error; "" for none
	}{
		{Config{}, ""},
		{Config{StorageTier: "archive", KMSKey: testVaultKey}, ""},
		{Config{StorageTier: "infrequent_access", EncryptionKey: good + "\n"}, ""},
		{Config{StorageTier: "Archive"}, "storage_tier"},
		{Config{StorageTier: "glacier"}, "storage_tier"},
		{Config{KMSKey: "alias/key"}, "kms_key"},
		{Config{KMSKey: "ocid1.vault.oc1.phx.vault.aaaa"}, "not of a key"},
		{Config{KMSKey: testVaultKey, EncryptionKey: good}, "not with both"},
		{Config{EncryptionKey: good[1:]}, "openssl rand"},
		{Config{EncryptionKey: base64.StdEncoding.EncodeToString([]byte("secretsecret"))}, "openssl rand"},
		{Config{EncryptionKey: "secretsecretsecretsecretsecret32"}, "openssl rand"},
	} {
		_, err := c.config.store()
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%+v: %v", c.config, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%+v: %v, want %q", c.config, err, c.want)
		}
		for _, text := range []string{fmt.Sprint(err), fmt.Sprintf("%v %+v %#v %s", c.config, c.config, c.config, c.config)} {
			if key := c.config.EncryptionKey; key != "" && strings.Contains(text, strings.TrimSpace(key)[:12]) {
				t.Errorf("the key shows in %q", text)
			}
		}
	}
}
