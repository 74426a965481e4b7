package ocisim

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// newUUID returns a random UUID in lower case, the form of ETags, uploads and work requests of object storage.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// newOCID returns a random OCID such as ocid1.image.oc1.phx.aaaa...; region is empty for global resources.
func newOCID(kind, region string) string {
	var b [32]byte
	rand.Read(b[:])
	return formatOCID(kind, region, b)
}

// namedOCID returns the OCID that always belongs to this kind and name, so that examples can spell it.
func namedOCID(kind, region, name string) string {
	return formatOCID(kind, region, sha256.Sum256([]byte(kind+"/"+region+"/"+name)))
}

func formatOCID(kind, region string, b [32]byte) string {
	id := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
	return "ocid1." + kind + ".oc1." + region + ".aaaaaaaa" + id
}

// newHex returns n random bytes in hexadecimal.
func newHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// newToken returns n random bytes in URL-safe base64.
func newToken(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
