package oci

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"
)

// store is how objects are written: the tier that they come to, and with whose key they are encrypted.
type store struct {
	tier   string // as requests name it; "" is that of the bucket
	kmsKey string // OCID of a key of the Vault service; "" is that of the bucket
	key    []byte // the caller's own, 32 bytes; nil for none. Secret.
}

// tiers are the names that requests have for what Config.StorageTier says.
var tiers = map[string]objectstorage.StorageTierEnum{
	"":                  "",
	"standard":          objectstorage.StorageTierStandard,
	"infrequent_access": objectstorage.StorageTierInfrequentAccess,
	"archive":           objectstorage.StorageTierArchive,
}

// keyBytes is the length of an AES-256 key.
const keyBytes = 32

// store checks what c says of writing. Errors never show the key.
func (c Config) store() (store, error) {
	tier, ok := tiers[c.StorageTier]
	if !ok {
		return store{}, fmt.Errorf("storage_tier %q is not standard, infrequent_access or archive", clip(c.StorageTier))
	}
	s := store{tier: string(tier), kmsKey: c.KMSKey}
	if c.KMSKey != "" && c.EncryptionKey != "" {
		return store{}, errors.New("kms_key and encryption_key are both set: an object is encrypted with a key of the Vault service or with your own, not with both")
	}
	if c.KMSKey != "" {
		if err := checkOCID("kms_key", c.KMSKey, "key"); err != nil {
			return store{}, err
		}
	}
	if c.EncryptionKey == "" {
		return s, nil
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(c.EncryptionKey))
	if err != nil || len(key) != keyBytes {
		return store{}, fmt.Errorf("encryption_key is not base64 of %d bytes; `openssl rand -base64 %d` makes one", keyBytes, keyBytes)
	}
	s.key = key
	return s, nil
}

// archives reports whether what is written cannot be read before it is restored.
func (s store) archives() bool { return s.tier == string(objectstorage.StorageTierArchive) }

// sseHeaders are the values of the headers with the caller's own key, nil without one.
type sseHeaders struct{ algorithm, key, digest *string }

// customer returns the headers without which nothing about an object that is encrypted with the caller's key is answered.
func (s store) customer() sseHeaders {
	if s.key == nil {
		return sseHeaders{}
	}
	sum := sha256.Sum256(s.key)
	algorithm, key, digest := "AES256", base64.StdEncoding.EncodeToString(s.key), base64.StdEncoding.EncodeToString(sum[:])
	return sseHeaders{&algorithm, &key, &digest}
}
