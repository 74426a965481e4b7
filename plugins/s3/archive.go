package s3

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// tierOf names a storage class; the standard one has no name.
func tierOf(class string) string {
	if class == "STANDARD" {
		return ""
	}
	return class
}

// isArchive reports whether objects of a storage class cannot be read before they are restored.
func isArchive(class string) bool { return class == "GLACIER" || class == "DEEP_ARCHIVE" }

// archivedBy reads from the answer about an object whether it can be read.
func archivedBy(h http.Header) bool {
	restored := strings.Contains(h.Get("X-Amz-Restore"), `ongoing-request="false"`)
	return (isArchive(h.Get("X-Amz-Storage-Class")) || h.Get("X-Amz-Archive-Status") != "") && !restored
}

// restoreStatus is what lists tell of a restore, where they are asked for it.
type restoreStatus struct {
	IsRestoreInProgress bool
	RestoreExpiryDate   time.Time
}

// archived is isArchive of an object of a list.
func (r *restoreStatus) archived(class string) bool {
	return isArchive(class) && (r == nil || r.IsRestoreInProgress || r.RestoreExpiryDate.IsZero())
}

// askForRestores makes lists tell of restores, which other services than Amazon's do not know.
func (b *bucket) askForRestores() http.Header {
	h := http.Header{}
	if b.p.o.aws {
		h.Set("X-Amz-Optional-Object-Attributes", "RestoreStatus")
	}
	return h
}

// Restore asks for obj to be readable for period, in whole days. The service takes some hours.
func (b *bucket) Restore(ctx context.Context, obj backend.Object, period time.Duration) error {
	const op = "restore"
	if !b.p.o.aws {
		return &backend.Error{Op: op, Key: obj.Key, Kind: backend.Unsupported}
	}
	if e := b.checkKey(op, obj.Key); e != nil {
		return e
	}
	if period <= 0 {
		return invalid(op, obj.Key, "an object is restored for a day or more, not for %s", period)
	}
	request := restoreRequest{Xmlns: xmlns, Days: int(math.Ceil(period.Hours() / 24))}
	request.GlacierJobParameters.Tier = "Standard"
	q := url.Values{"restore": {""}}
	set(q, "versionId", obj.Generation)
	_, e := b.p.finish(ctx, call{op: op, key: obj.Key, method: http.MethodPost, bucket: b.name, object: obj.Key, query: q, xml: request})
	if e == nil {
		return nil
	}
	switch codeOf(e) {
	case "RestoreAlreadyInProgress", "InvalidObjectState": // the latter: it is in a class that is read as it is
		return nil
	}
	return e
}

type restoreRequest struct {
	XMLName              struct{} `xml:"RestoreRequest"`
	Xmlns                string   `xml:"xmlns,attr"`
	Days                 int
	GlacierJobParameters struct{ Tier string }
}
