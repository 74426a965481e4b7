package backend

import (
	"context"
	"time"
)

// clockSkew is how far the clock of a service may be from ours when upload times are compared.
const clockSkew = 10 * time.Minute

// AbortUploads aborts the uploads of exactly key that were created since a time, and returns how many there were. It cleans
// up after a CreateUpload whose answer was lost, or whose process died before it could write the id down. Uploads of which
// the container does not know the time are left alone.
func AbortUploads(ctx context.Context, s Storage, key string, since time.Time) (int, error) {
	var found []Upload
	for u, err := range s.ListUploads(ctx, key) {
		if err != nil {
			return 0, err
		}
		if u.Key == key && !u.Created.IsZero() && u.Created.After(since.Add(-clockSkew)) {
			found = append(found, u)
		}
	}
	for i, u := range found {
		if err := s.AbortUpload(ctx, u); err != nil {
			return i, err
		}
	}
	return len(found), nil
}
