package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hyperexport/hyperexport/internal/proof"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// check says everything that is not as a whole run leaves it.
func (w *world) check(ctx context.Context) error {
	var wrong []error
	for _, instance := range w.sim.Instances() {
		want, err := w.sim.DiskSHA256(instance.ID)
		if err != nil {
			return err
		}
		for _, format := range formats() {
			wrong = append(wrong, w.checkImage(ctx, instance.Name+"."+format, format, want))
		}
	}
	wrong = append(wrong, w.checkFolder())
	return errors.Join(append(wrong, w.checkCloud(ctx), w.checkRequests(), w.checkLeft(ctx))...)
}

// checkLeft demands that nothing is left of a run but what it was to make.
func (w *world) checkLeft(ctx context.Context) error {
	left, err := w.cloud.Left(ctx, "hx-staging")
	if err != nil {
		return err
	}
	var wrong []error
	if len(left.Images)+len(left.Staged)+len(left.Uploads)+len(left.Requests) > 0 {
		wrong = append(wrong, fmt.Errorf("left in OCI: %+v", left))
	}
	for _, dir := range []string{"images", "back", "folder"} {
		files, err := proof.TemporaryFiles(filepath.Join(w.dir, dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, name := range files {
			wrong = append(wrong, fmt.Errorf("left: temporary file %s", name))
		}
	}
	return errors.Join(wrong...)
}

// sumsName is the list that "checksum: sha256" leaves beside the objects. It comes back with them.
const sumsName = "SHA256SUMS"

func (w *world) checkFolder() error {
	back, err := proof.ReadFolder(filepath.Join(w.dir, "back"))
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(w.dir, "back", sumsName))
	if err != nil {
		return err
	}
	listed := proof.Folder{Files: map[string]string{}}
	for line := range strings.Lines(string(text)) {
		sum, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		listed.Files[name] = sum
	}
	if err := listed.Equal(w.folder); err != nil {
		return fmt.Errorf("%s: %w", sumsName, err)
	}
	delete(back.Files, sumsName)
	if err := back.Equal(w.folder); err != nil {
		return fmt.Errorf("back/: %w", err)
	}
	return nil
}

func (w *world) checkImage(ctx context.Context, name, format, want string) error {
	path := filepath.Join(w.dir, "images", name)
	if err := proof.CheckImage(ctx, path, format); err != nil {
		return err
	}
	got, err := proof.DiskSHA256(ctx, path, format, w.dir)
	if err == nil && got != want {
		err = fmt.Errorf("%s has sha256 %s, and the disk %s", name, got, want)
	}
	return err
}

// checkCloud demands that each export made one image, exported it once in each format.
func (w *world) checkCloud(ctx context.Context) error {
	var wrong []error
	images, err := w.cloud.Images(ctx)
	if err != nil {
		return err
	}
	made := map[string]int{}
	for _, i := range images {
		made[i.Item]++
		if i.Exports != len(formats()) {
			wrong = append(wrong, fmt.Errorf("%s: its image was exported %d times", i.Item, i.Exports))
		}
	}
	for _, instance := range w.sim.Instances() {
		item := fmt.Sprintf("export.web[%q]", instance.Name)
		if made[item] != 1 {
			wrong = append(wrong, fmt.Errorf("%s: %d images were made", item, made[item]))
		}
		delete(made, item)
	}
	for item, n := range made {
		wrong = append(wrong, fmt.Errorf("%d images were made for %q", n, item))
	}
	return errors.Join(wrong...)
}

// checkRequests demands one token for each image and each export, and one successful commit for each upload.
func (w *world) checkRequests() error {
	tokens := map[string]map[string]bool{"CreateImage": {}, "ExportImage": {}}
	commits := map[string]int{}
	for _, e := range w.sim.Log().All() {
		if set, ok := tokens[e.Operation]; ok {
			set[e.Path+" "+e.RetryToken] = true
		}
		if e.Operation == "CommitMultipartUpload" && e.Status/100 == 2 {
			commits[e.Path]++
		}
	}
	var wrong []error
	machines := len(w.sim.Instances())
	if n := len(tokens["CreateImage"]); n != machines {
		wrong = append(wrong, fmt.Errorf("CreateImage was asked for with %d tokens for %d instances", n, machines))
	}
	if n := len(tokens["ExportImage"]); n != machines*len(formats()) {
		wrong = append(wrong, fmt.Errorf("ExportImage was asked for with %d tokens for %d instances in %d formats", n, machines, len(formats())))
	}
	for path, n := range commits {
		if n != 1 {
			wrong = append(wrong, fmt.Errorf("%s was committed %d times", path, n))
		}
	}
	return errors.Join(wrong...)
}

// repeated is what went over the wire more than once.
type repeated struct {
	parts int   // of uploads, and ranges of downloads, of which an object has more than one
	whole int   // objects that fit into one request
	bytes int64 // of both
}

// repeated counts requests that carry the same bytes as an earlier one.
func (w *world) repeated() repeated {
	var r repeated
	seen := map[string]bool{}
	for _, e := range w.sim.Log().All() {
		if e.Status >= 300 || strings.HasSuffix(e.Path, sumsName) {
			continue // no bytes of an object, as when the client asks why a HEAD failed; or of a list that each run writes anew
		}
		var size int64
		switch e.Operation {
		case "UploadPart", "PutObject":
			size, _ = strconv.ParseInt(e.Header.Get("Content-Length"), 10, 64)
		case "GetObject":
			size = rangeLength(e.Range)
		default:
			continue
		}
		key := fmt.Sprintf("%s %s %s %s", e.Operation, e.Path, partOf(e), e.Range)
		if !seen[key] {
			seen[key] = true
			continue
		}
		r.bytes += size
		if size < part && e.Operation != "UploadPart" {
			r.whole++
		} else {
			r.parts++
		}
	}
	return r
}

func partOf(e ocisim.Entry) string {
	query, _ := url.ParseQuery(e.Query)
	return query.Get("uploadPartNum")
}

// rangeLength is the length of "bytes=FIRST-LAST".
func rangeLength(text string) int64 {
	first, last, _ := strings.Cut(strings.TrimPrefix(text, "bytes="), "-")
	from, _ := strconv.ParseInt(first, 10, 64)
	to, err := strconv.ParseInt(last, 10, 64)
	if err != nil {
		return 0
	}
	return to - from + 1
}
