package s3

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"

	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

const testPart = strictMinPart

// upload begins an upload of two parts and sends them.
func upload(t *testing.T, s backend.Storage, key string) (backend.Upload, []backend.Part, backend.Checksum) {
	t.Helper()
	data := content(testPart + 100)
	u, err := s.CreateUpload(t.Context(), key, backend.UploadOptions{Size: int64(len(data)), PartSize: testPart})
	if err != nil {
		t.Fatal(err)
	}
	var parts []backend.Part
	for n, p := range [][]byte{data[:testPart], data[testPart:]} {
		part, err := s.UploadPart(t.Context(), u, n+1, p, backend.SumCRC32C(p))
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, part)
	}
	return u, parts, backend.SumCRC32C(data)
}

// nth lets the nth request that matches meet f.
func nth(n int, matches func(*http.Request) bool, f http.HandlerFunc) func(http.ResponseWriter, *http.Request) bool {
	var count atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !matches(r) || count.Add(1) != int32(n) {
			return false
		}
		f(w, r)
		return true
	}
}

func isComplete(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
}
func isPut(r *http.Request) bool { return r.Method == http.MethodPut }

// TestErrorAfterSuccess has a service that promises success and then fails, as a completion and a copy may.
func TestErrorAfterSuccess(t *testing.T) {
	failed := func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "\n   <Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>")
	}
	t.Run("complete", func(t *testing.T) {
		_, s := (&strict{fault: nth(1, isComplete, failed)}).open(t, nil)
		u, parts, sum := upload(t, s, "object")
		_, err := s.CompleteUpload(t.Context(), u, parts, backend.CompleteOptions{Checksum: sum})
		if !errors.Is(err, backend.Unavailable) {
			t.Fatalf("%v", err)
		}
		if _, err := s.CompleteUpload(t.Context(), u, parts, backend.CompleteOptions{Checksum: sum}); err != nil {
			t.Error("again:", err)
		}
	})
	t.Run("copy", func(t *testing.T) {
		isCopy := func(r *http.Request) bool { return r.Header.Get("X-Amz-Copy-Source") != "" }
		_, s := (&strict{fault: nth(1, isCopy, failed)}).open(t, nil)
		if _, err := s.Put(t.Context(), "from", []byte("text"), backend.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		from := backend.Location{Scheme: "s3", Path: "strict/from"}
		if _, err := s.Copy(t.Context(), from, "", "to", backend.CopyOptions{}); !errors.Is(err, backend.Unavailable) {
			t.Errorf("%v", err)
		}
		if _, err := s.Stat(t.Context(), "to"); !errors.Is(err, backend.NotFound) {
			t.Errorf("after a copy that failed: %v", err)
		}
	})
}

// TestCutAnswers has answers that end too early, which must not pass for whole ones.
func TestCutAnswers(t *testing.T) {
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.Header().Set("ETag", `"e"`)
		fmt.Fprint(w, "<CompleteMultipartUploadResult><ETag>e</ETag>")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	_, s := (&strict{fault: func(w http.ResponseWriter, r *http.Request) bool {
		if isComplete(r) || r.Method == http.MethodGet {
			cut(w, r)
		}
		return false
	}}).open(t, nil)
	u, parts, sum := upload(t, s, "object")
	_, err := s.CompleteUpload(t.Context(), u, parts, backend.CompleteOptions{Checksum: sum})
	if !errors.Is(err, backend.Offline) {
		t.Errorf("complete: %v", err)
	}
	p := make([]byte, 1000)
	if n, err := s.ReadAt(t.Context(), backend.Object{Key: "object", Size: 1000, Version: "e"}, p, 0); n != 0 || !errors.Is(err, backend.Offline) {
		t.Errorf("read: %d, %v", n, err)
	}
	for _, err := range s.List(t.Context(), "") {
		if !errors.Is(err, backend.Offline) {
			t.Errorf("list: %v", err)
		}
	}
}

// TestLostAnswers repeats what was carried out without anybody hearing of it.
func TestLostAnswers(t *testing.T) {
	lose := func(matches func(*http.Request) bool) func(*http.Request) bool {
		var done atomic.Bool
		return func(r *http.Request) bool { return matches(r) && done.CompareAndSwap(false, true) }
	}
	t.Run("complete if absent", func(t *testing.T) {
		_, s := (&strict{after: lose(isComplete)}).open(t, nil)
		u, parts, sum := upload(t, s, "object")
		o := backend.CompleteOptions{Checksum: sum, If: backend.Condition{Absent: true}}
		if _, err := s.CompleteUpload(t.Context(), u, parts, o); !errors.Is(err, backend.Offline) {
			t.Fatalf("%v", err)
		}
		obj, err := s.CompleteUpload(t.Context(), u, parts, o)
		if err != nil || obj.Checksum != sum || obj.Version == "" {
			t.Errorf("again: %+v, %v", obj, err)
		}
	})
	t.Run("put if absent", func(t *testing.T) {
		_, s := (&strict{after: lose(isPut)}).open(t, nil)
		o := backend.PutOptions{If: backend.Condition{Absent: true}}
		if _, err := s.Put(t.Context(), "object", []byte("text"), o); !errors.Is(err, backend.Offline) {
			t.Fatalf("%v", err)
		}
		if _, err := s.Put(t.Context(), "object", []byte("text"), o); !errors.Is(err, backend.Exists) {
			t.Errorf("again: %v", err)
		}
	})
	t.Run("part", func(t *testing.T) {
		service := &strict{}
		_, s := service.open(t, nil)
		u, parts, sum := upload(t, s, "object")
		service.after = lose(isPut)
		data := content(testPart)
		if _, err := s.UploadPart(t.Context(), u, 1, data, backend.SumCRC32C(data)); !errors.Is(err, backend.Offline) {
			t.Fatalf("%v", err)
		}
		if _, err := s.CompleteUpload(t.Context(), u, parts, backend.CompleteOptions{Checksum: sum}); err != nil {
			t.Error(err) // the part that landed late has the same bytes
		}
	})
}

// TestCompletedByAnother has an upload that is gone, and under its key an object of the same length that is not ours. It must
// neither pass for ours nor be removed, also with a service that says yes to every completion.
func TestCompletedByAnother(t *testing.T) {
	say := func(tag string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if isComplete(r) {
				fmt.Fprintf(w, "<CompleteMultipartUploadResult><ETag>%s</ETag></CompleteMultipartUploadResult>", tag)
			}
			return isComplete(r)
		}
	}
	other := bytes.Repeat([]byte{1}, testPart+100)
	for name, service := range map[string]*strict{
		"no": {}, "yes": {fault: say("whatever")}, "yes, and tells no checksums": {fault: say("whatever"), noSums: true},
		"yes, with the tag of the other": {fault: say(fmt.Sprintf("%x", md5.Sum(other)))},
	} {
		t.Run(name, func(t *testing.T) {
			_, s := service.open(t, nil)
			u, parts, sum := upload(t, s, "object")
			if err := s.AbortUpload(t.Context(), u); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Put(t.Context(), "object", other, backend.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.CompleteUpload(t.Context(), u, parts, backend.CompleteOptions{Checksum: sum}); !errors.Is(err, backend.NotFound) {
				t.Errorf("%v", err)
			}
			if _, err := s.Stat(t.Context(), "object"); err != nil {
				t.Error("the other object:", err)
			}
		})
	}
}

// TestResumeWithoutChecksums goes on with an upload of which the list of parts tells no checksums, at a service that verifies
// no whole either: the object is read then, and removed if it is not what it must be.
func TestResumeWithoutChecksums(t *testing.T) {
	_, s := (&strict{noSums: true}).open(t, nil)
	for _, right := range []bool{true, false} {
		u, _, sum := upload(t, s, "object")
		var parts []backend.Part
		for p, err := range s.ListParts(t.Context(), u) {
			if err != nil || p.Checksum != "" {
				t.Fatalf("%+v, %v", p, err)
			}
			parts = append(parts, p)
		}
		if right {
			if obj, err := s.CompleteUpload(t.Context(), u, parts, backend.CompleteOptions{Checksum: sum}); err != nil || obj.Size != u.Size {
				t.Errorf("%+v, %v", obj, err)
			}
			continue
		}
		_, err := s.CompleteUpload(t.Context(), u, parts, backend.CompleteOptions{Checksum: "crc32c:00000001"})
		if !errors.Is(err, backend.Corrupt) {
			t.Errorf("%v", err)
		}
		if _, err := s.Stat(t.Context(), "object"); !errors.Is(err, backend.NotFound) {
			t.Errorf("the wrong object: %v", err)
		}
	}
}

// TestOtherProcessCompletes has a process that began no upload find out what the service verifies.
func TestOtherProcessCompletes(t *testing.T) {
	for name, service := range map[string]*strict{"whole": {}, "parts": {composes: true}} {
		t.Run(name, func(t *testing.T) {
			_, c := service.start(t)
			u, parts, sum := upload(t, storage(t, small(t, c), "strict"), "object")
			obj, err := storage(t, small(t, c), "strict").CompleteUpload(t.Context(), u, parts, backend.CompleteOptions{Checksum: sum})
			if err != nil || obj.Checksum != sum {
				t.Errorf("%+v, %v", obj, err)
			}
		})
	}
}

func small(t *testing.T, c Config) *Provider {
	p := provider(t, c)
	p.minPart = strictMinPart
	return p
}

// TestLargeCopy copies in parts, and leaves none behind where it fails.
func TestLargeCopy(t *testing.T) {
	p, s := (&strict{}).open(t, nil)
	p.copyAtOnce, p.copySize = strictMinPart, strictMinPart
	src, obj, err := copyLarge(t, s, "strict", 10*strictMinPart+7)
	if err != nil || obj.Size != src.Size || obj.Checksum != src.Checksum {
		t.Fatalf("%+v, %v", obj, err)
	}
	if obj, err = s.Stat(t.Context(), "to"); err != nil || obj.Meta["a"] != "b" || !strings.HasSuffix(obj.Version, "-11") {
		t.Errorf("%+v, %v", obj, err)
	}
	if _, _, err := copyLarge(t, s, "strict", 10*strictMinPart); !errors.Is(err, backend.Exists) {
		t.Errorf("copy onto what is there: %v", err)
	}
	noUploads(t, s)
}

// TestLargeCopyAtGateway has a server that says of each part of a copy that it has the checksum of the whole source. With it,
// a copy in parts fails before it is visible; where its checksums are not asked for it succeeds.
func TestLargeCopyAtGateway(t *testing.T) {
	for sums, want := range map[string]backend.Kind{"crc32c": backend.Corrupt, "md5": backend.Unknown} {
		name := newBucket(t, "copies")
		c := ofVersity()
		c.Checksums = sums
		p := provider(t, c)
		p.copyAtOnce, p.copySize = 6*mib, 5*mib
		s := storage(t, p, name)
		if _, _, err := copyLarge(t, s, name, 11*mib); backend.KindOf(err) != want {
			t.Errorf("%s: %v, want %q", sums, err, want)
		}
		if _, err := s.Stat(t.Context(), "to"); (err == nil) != (want == backend.Unknown) {
			t.Errorf("%s: %v", sums, err)
		}
		noUploads(t, s)
	}
}

// copyLarge copies "from" to "to" if that is absent.
func copyLarge(t *testing.T, s backend.Storage, bucket string, size int) (src, obj backend.Object, err error) {
	t.Helper()
	data := content(size)
	src, err = s.Put(t.Context(), "from", data, backend.PutOptions{Meta: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	from := backend.Location{Scheme: "s3", Path: bucket + "/from"}
	obj, err = s.Copy(t.Context(), from, src.Version, "to", backend.CopyOptions{If: backend.Condition{Absent: true}})
	return src, obj, err
}

func noUploads(t *testing.T, s backend.Storage) {
	t.Helper()
	for u, err := range s.ListUploads(t.Context(), "") {
		t.Errorf("left %+v, %v", u, err)
	}
}

// TestOwnKeyIsRefusedWithout shows that the strict service insists on the key, so that the suite on it proves something.
func TestOwnKeyIsRefusedWithout(t *testing.T) {
	_, s := (&strict{key: make([]byte, 32)}).open(t, nil)
	if _, err := s.Put(t.Context(), "object", []byte("x"), backend.PutOptions{}); !errors.Is(err, backend.Invalid) {
		t.Errorf("%v", err)
	}
}

// TestStoring sees the headers that say how an object is stored.
func TestStoring(t *testing.T) {
	service := &strict{}
	_, s := service.open(t, func(c *Config) {
		c.StorageClass, c.SSE, c.SSEKMSKey = "STANDARD_IA", "kms", "arn:aws:kms:eu-central-1:1:key/k"
		c.Tags = map[string]string{"owner": "plat form&co"}
	})
	if _, err := s.Put(t.Context(), "put", []byte("x"), backend.PutOptions{ModTime: time.Unix(1e9, 5)}); err != nil {
		t.Fatal(err)
	}
	u, parts, sum := upload(t, s, "upload")
	if _, err := s.CompleteUpload(t.Context(), u, parts, backend.CompleteOptions{Checksum: sum}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Copy(t.Context(), backend.Location{Scheme: "s3", Path: "strict/put"}, "", "copy", backend.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"put", "upload", "copy"} {
		h := service.objects[key].header
		if h.Get("X-Amz-Storage-Class") != "STANDARD_IA" || h.Get("X-Amz-Server-Side-Encryption") != "aws:kms" ||
			h.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id") != "arn:aws:kms:eu-central-1:1:key/k" || h.Get("X-Amz-Tagging") != "owner=plat%20form%26co" {
			t.Errorf("%s: %v", key, h)
		}
	}
	if got := service.objects["put"].header.Get(metaPrefix + mtimeKey); got != "2001-09-09T01:46:40.000000005Z" {
		t.Error(got)
	}
}

// TestMetadataText has text that headers change.
func TestMetadataText(t *testing.T) {
	_, s := (&strict{}).open(t, nil)
	meta := map[string]string{"umlaut": "Grüße", "spaces": " in  and out ", "word": "=?UTF-8?B?eA==?=", "plain": "a=b"}
	if _, err := s.Put(t.Context(), "object", nil, backend.PutOptions{Meta: meta}); err != nil {
		t.Fatal(err)
	}
	obj, err := s.Stat(t.Context(), "object")
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range meta {
		if obj.Meta[k] != v {
			t.Errorf("%s: %q, want %q", k, obj.Meta[k], v)
		}
	}
	for _, bad := range []map[string]string{{"a b": "x"}, {"a": "x\ny"}, {"": "x"}} {
		if _, err := s.Put(t.Context(), "object", nil, backend.PutOptions{Meta: bad}); !errors.Is(err, backend.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestUnverified has a service that verifies nothing, and keeps less than it was sent.
func TestUnverified(t *testing.T) {
	service := &strict{unsealed: true}
	_, s := service.open(t, func(c *Config) { c.Checksums = "none" })
	obj, err := s.Put(t.Context(), "object", []byte("text"), backend.PutOptions{Checksum: backend.SumCRC32C([]byte("other"))})
	if err != nil || obj.Size != 4 || len(s.Info().Checksums) != 0 {
		t.Errorf("%+v, %v", obj, err)
	}
	service.cut = true
	if _, err := s.Put(t.Context(), "object", []byte("text"), backend.PutOptions{}); !errors.Is(err, backend.Corrupt) {
		t.Errorf("%v", err)
	}
	service.cut = false
	u, parts, sum := upload(t, s, "object")
	service.uploads[u.ID].parts[2].data = nil
	if _, err := s.CompleteUpload(t.Context(), u, parts, backend.CompleteOptions{Checksum: sum}); !errors.Is(err, backend.Corrupt) {
		t.Errorf("%v", err)
	}
}

// TestMissingBucket tells it from a missing object, in Stat too, whose answer has no body.
func TestMissingBucket(t *testing.T) {
	service := &strict{}
	p, _ := service.open(t, nil)
	s := storage(t, p, "other")
	_, err := s.Stat(t.Context(), "object")
	if !errors.Is(err, backend.NotFound) || codeOf(err) != codeNoSuchBucket || !strings.Contains(err.Error(), "check the name other") {
		t.Errorf("%v", err)
	}
	s = storage(t, p, "strict")
	for want := range 2 { // once it is known, nobody asks for the bucket again
		service.seen = nil
		if _, err := s.Stat(t.Context(), "object"); codeOf(err) != "" || !errors.Is(err, backend.NotFound) {
			t.Errorf("%v", err)
		}
		if got := len(service.seen); got != 2-want {
			t.Errorf("%d requests, want %d", got, 2-want)
		}
	}
}

// TestDotsAreForAmazon has keys that a service may resolve as a path, and so reach another bucket.
func TestDotsAreForAmazon(t *testing.T) {
	p := provider(t, ofVersity())
	s := storage(t, p, "copies")
	for _, key := range []string{"..", "../other/object", "a/../b", "./a", "a/."} {
		if _, err := s.Put(t.Context(), key, nil, backend.PutOptions{}); !errors.Is(err, backend.Invalid) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// TestWrongReads has a service that sends another range than it was asked for, or another version.
func TestWrongReads(t *testing.T) {
	obj := backend.Object{Key: "object", Size: 1000, Version: "e"}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   backend.Kind
	}{
		"whole object for a range": {func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 1000)) }, backend.Unavailable},
		"other range": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-9/1000")
			w.WriteHeader(http.StatusPartialContent)
			w.Write(make([]byte, 10))
		}, backend.Unavailable},
		"other size": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 10-19/1001")
			w.WriteHeader(http.StatusPartialContent)
			w.Write(make([]byte, 10))
		}, backend.Unavailable},
		"other version": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", `"f"`)
			w.Header().Set("Content-Range", "bytes 10-19/1000")
			w.WriteHeader(http.StatusPartialContent)
			w.Write(make([]byte, 10))
		}, backend.Changed},
	} {
		t.Run(name, func(t *testing.T) {
			_, s := (&strict{fault: func(w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("ETag", `"e"`)
				c.answer(w, r)
				return true
			}}).open(t, nil)
			if n, err := s.ReadAt(t.Context(), obj, make([]byte, 10), 10); n != 0 || !errors.Is(err, c.want) {
				t.Errorf("%d, %v", n, err)
			}
		})
	}
	t.Run("flipped bit", func(t *testing.T) {
		service := &strict{}
		_, s := service.open(t, nil)
		obj, err := s.Put(t.Context(), "object", []byte("text"), backend.PutOptions{})
		if err != nil {
			t.Fatal(err)
		}
		service.objects["object"].data[2] ^= 1
		defer func() {
			if got := service.seen[len(service.seen)-1].Header.Get("If-Match"); got != etagOf(obj.Version) {
				t.Errorf("the read was for %s", got)
			}
		}()
		if _, err := s.ReadAt(t.Context(), obj, make([]byte, 4), 0); !errors.Is(err, backend.Corrupt) {
			t.Errorf("%v", err)
		}
	})
}

// TestSecretsStaySecret keeps the keys of the tests out of their own errors.
func TestSecretsStaySecret(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("canary.."), 4))
	service := &strict{fault: func(w http.ResponseWriter, _ *http.Request) bool {
		refuse(w, http.StatusForbidden, "SignatureDoesNotMatch")
		return true
	}}
	_, c := service.start(t)
	c.SessionToken, c.SSE, c.SSEKey = "canary-token", "customer", key
	p := provider(t, c)
	_, err := storage(t, p, "strict").Put(t.Context(), "object", nil, backend.PutOptions{})
	shown := fmt.Sprintf("%v %+v %#v %s %v %+v %v %#v", c, c, c, c.Credentials, c.Objects, c.Objects, err, p.keys.current)
	for _, secret := range []string{testSecret, "canary", key, testAccess} {
		if strings.Contains(shown, secret) {
			t.Errorf("%q is shown: %s", secret, shown)
		}
	}
	if !errors.Is(err, backend.Unauthorized) {
		t.Error(err)
	}
}
