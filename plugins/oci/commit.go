package oci

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/objectstorage"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// CompleteUpload commits exactly parts. What can be known to be wrong before the commit is found before it, so that the
// previous object stays; the checksum that the service then answers with is compared too.
func (b *bucket) CompleteUpload(ctx context.Context, u backend.Upload, parts []backend.Part, o backend.CompleteOptions) (backend.Object, error) {
	const op = "complete upload"
	if err := checkUpload(op, u); err != nil {
		return backend.Object{}, err
	}
	if err := checkParts(op, u, parts, o.Checksum); err != nil {
		if errors.Is(err, backend.Corrupt) && b.isGone(ctx, u) {
			return b.alreadyCompleted(ctx, op, u, o.Checksum, notFound(op, u.Key, err))
		}
		return backend.Object{}, err
	}
	resp, err := b.commit(ctx, u, parts, nil, o.If)
	if err == nil {
		return b.completed(ctx, op, u, parts, o.Checksum, resp)
	}
	e := b.failWrite(ctx, op, u.Key, resp, err, o.If)
	switch codeOf(e) {
	case codeUploadNotFound:
		return b.alreadyCompleted(ctx, op, u, o.Checksum, e)
	case "InvalidUploadPart":
		strays, reason := b.reconcile(ctx, u, parts)
		if reason != nil {
			return backend.Object{}, reason
		}
		if len(strays) == 0 {
			return backend.Object{}, e
		}
		if resp, err = b.commit(ctx, u, parts, strays, o.If); err != nil {
			return backend.Object{}, b.failWrite(ctx, op, u.Key, resp, err, o.If)
		}
		return b.completed(ctx, op, u, parts, o.Checksum, resp)
	}
	return backend.Object{}, e
}

// checkParts looks at what the caller says of the parts.
func checkParts(op string, u backend.Upload, parts []backend.Part, want backend.Checksum) error {
	if len(parts) == 0 {
		return invalid(op, u.Key, "no parts; an empty object is stored with Put")
	}
	var size int64
	var sum uint32
	known := true
	for i, p := range parts {
		if p.Tag == "" || p.Number < 1 || i > 0 && p.Number <= parts[i-1].Number {
			return invalid(op, u.Key, "part %d has no tag or is out of order", p.Number)
		}
		crc, ok := p.Checksum.CRC32C()
		known = known && ok
		sum = backend.CombineCRC32C(sum, crc, p.Size)
		size += p.Size
	}
	if u.Size > 0 && size != u.Size {
		return invalid(op, u.Key, "the parts have %d bytes, the upload was begun for %d: a part is missing", size, u.Size)
	}
	if known && want.Contradicts(backend.CRC32CChecksum(sum)) {
		return &backend.Error{Op: op, Key: u.Key, Kind: backend.Corrupt,
			Err: fmt.Errorf("the parts make an object with %s, not %s", backend.CRC32CChecksum(sum), want)}
	}
	return nil
}

func (b *bucket) commit(ctx context.Context, u backend.Upload, parts []backend.Part, exclude []int, c backend.Condition) (objectstorage.CommitMultipartUploadResponse, error) {
	ifMatch, ifNoneMatch, err := conditions("complete upload", u.Key, c)
	if err != nil {
		return objectstorage.CommitMultipartUploadResponse{}, err
	}
	details := objectstorage.CommitMultipartUploadDetails{PartsToExclude: exclude}
	for i := range parts {
		details.PartsToCommit = append(details.PartsToCommit, objectstorage.CommitMultipartUploadPartDetails{PartNum: &parts[i].Number, Etag: &parts[i].Tag})
	}
	return b.p.objects.CommitMultipartUpload(patient(ctx), objectstorage.CommitMultipartUploadRequest{
		NamespaceName: &b.namespace, BucketName: &b.name, ObjectName: &u.Key, UploadId: &u.ID,
		CommitMultipartUploadDetails: details, IfMatch: ifMatch, IfNoneMatch: ifNoneMatch, RequestMetadata: b.p.once,
	})
}

// completed describes the object that a commit made.
func (b *bucket) completed(ctx context.Context, op string, u backend.Upload, parts []backend.Part, want backend.Checksum, resp objectstorage.CommitMultipartUploadResponse) (backend.Object, error) {
	b.works()
	answered := crc32cOf(resp.OpcContentCrc32c)
	obj := backend.Object{Key: u.Key, ModTime: when(resp.LastModified), Version: value(resp.ETag), Checksum: want,
		Tier: tierOf(b.p.store.tier), Archived: b.p.store.archives()}
	for _, p := range parts {
		obj.Size += p.Size
	}
	if err := b.verify(ctx, op, obj, answered, requestID(resp)); err != nil {
		return backend.Object{}, err
	}
	if answered != "" {
		obj.Checksum = answered
	}
	return obj, nil
}

// alreadyCompleted succeeds if the object is there that the upload was to become: then an earlier call did the work and its
// answer was lost.
func (b *bucket) alreadyCompleted(ctx context.Context, op string, u backend.Upload, want backend.Checksum, gone *backend.Error) (backend.Object, error) {
	obj, err := b.Stat(ctx, u.Key)
	var e *backend.Error
	switch {
	case err == nil && obj.Size == u.Size && !want.Contradicts(obj.Checksum):
		return obj, nil
	case err == nil || errors.Is(err, backend.NotFound):
		return backend.Object{}, gone
	case errors.As(err, &e):
		e.Op = op + ": " + e.Op
	}
	return backend.Object{}, err
}

// isGone reports whether the service denies that the upload is open.
func (b *bucket) isGone(ctx context.Context, u backend.Upload) bool {
	for _, err := range b.ListParts(ctx, u) {
		return errors.Is(err, backend.NotFound)
	}
	return false
}

// reconcile compares parts with what the service holds. It returns the numbers of parts that are to be left out, or the
// reason why the commit cannot succeed.
func (b *bucket) reconcile(ctx context.Context, u backend.Upload, parts []backend.Part) (strays []int, reason error) {
	wanted := map[int]backend.Part{}
	for _, p := range parts {
		wanted[p.Number] = p
	}
	var wrong []string
	for have, err := range b.ListParts(ctx, u) {
		if err != nil {
			return nil, err
		}
		want, ok := wanted[have.Number]
		switch {
		case !ok:
			strays = append(strays, have.Number)
		case want.Tag != have.Tag:
			wrong = append(wrong, fmt.Sprintf("part %d was replaced: it has tag %s, not %s", have.Number, have.Tag, want.Tag))
		}
		delete(wanted, have.Number)
	}
	for _, p := range parts {
		if _, missing := wanted[p.Number]; missing {
			wrong = append(wrong, fmt.Sprintf("part %d is not there", p.Number))
		}
	}
	if len(wrong) > 0 {
		const shown = 3
		text := strings.Join(wrong[:min(shown, len(wrong))], "; ")
		if len(wrong) > shown {
			text += fmt.Sprintf("; and %d more", len(wrong)-shown)
		}
		return nil, invalid("complete upload", u.Key, "%s", text)
	}
	return strays, nil
}
