package s3

import (
	"crypto/md5"
	"encoding/base64"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

const (
	metaPrefix = "X-Amz-Meta-"

	// mtimeKey is the metadata key under which the ModTime that an object was written with is kept. Lists do not return
	// metadata, so the container does not promise Capabilities.ModTime.
	mtimeKey = "hyperexport-mtime"
)

// checkKey refuses names that no service takes. Others resolve dots where Amazon does not, and a name with dots would then
// reach another object, or another bucket: they are refused for all services but Amazon's.
func (b *bucket) checkKey(op, key string) *backend.Error {
	const most = 1024
	switch {
	case key == "":
		return invalid(op, key, "the name of the object is empty")
	case len(key) > most:
		return invalid(op, clip(key), "the name of the object has %d bytes, more than %d", len(key), most)
	case !utf8.ValidString(key):
		return invalid(op, quote(key), "the name of the object is not UTF-8")
	case strings.ContainsRune(key, 0):
		return invalid(op, quote(key), "the name of the object contains a NUL")
	}
	if b.p.o.aws {
		return nil
	}
	for element := range strings.SplitSeq(key, "/") {
		switch {
		case element == "." || element == "..":
			return invalid(op, key, "the name of the object has an element %q, which services other than AWS may resolve as a path", element)
		case b.p.o.tree && (element == "" || len(element) > longestName):
			return invalid(op, key, "the name of the object has an element of %d bytes, and the service keeps objects in folders (keys: tree)", len(element))
		}
	}
	return nil
}

// longestName is how long, in bytes, an element may be for a service that keeps objects in folders. A file system holds 255;
// versitygw writes a file under a longer name before it replaces one, and can neither replace nor complete what has more.
const longestName = 227

func quote(key string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(key, "\x00", "\\0"), "\uFFFD")
}

// conditions sets the headers that guard a write.
func (b *bucket) conditions(op, key string, h http.Header, c backend.Condition) *backend.Error {
	switch {
	case c == backend.Condition{}:
		return nil
	case c.Absent && c.Version != "":
		return invalid(op, key, "a condition asks for absence and for version %s", c.Version)
	case !b.p.o.conditions:
		return &backend.Error{Op: op, Key: key, Kind: backend.Unsupported}
	case c.Absent:
		h.Set("If-None-Match", "*")
	default:
		h.Set("If-Match", etagOf(c.Version))
	}
	return nil
}

// unmet settles the kind of an error of a guarded write. A version that is not there because nothing is there is Changed.
func unmet(e *backend.Error, c backend.Condition) *backend.Error {
	switch {
	case c.Absent && e.Kind == backend.Changed:
		e.Kind = backend.Exists
	case c.Version != "" && codeOf(e) == "NoSuchKey":
		e.Kind = backend.Changed
	}
	return e
}

// etagOf gives a version the form that it has in headers.
func etagOf(version string) string { return `"` + version + `"` }

// versionOf takes the quotes from an entity tag.
func versionOf(etag string) string { return strings.Trim(strings.TrimPrefix(etag, "W/"), `"`) }

// creation are the headers of every request that makes an object or begins to make one.
func (b *bucket) creation(op, key string, meta map[string]string, modTime time.Time) (http.Header, *backend.Error) {
	h := http.Header{}
	for name, text := range meta {
		if !isToken(name) || strings.ContainsAny(text, "\r\n\x00") || !utf8.ValidString(text) {
			return nil, invalid(op, key, "metadata %q cannot be sent as a header", name)
		}
		h.Set(metaPrefix+name, encodeText(text))
	}
	if !modTime.IsZero() {
		h.Set(metaPrefix+mtimeKey, modTime.UTC().Format(time.RFC3339Nano))
	}
	s := b.p.o.store
	if s.class != "" {
		h.Set("X-Amz-Storage-Class", s.class)
	}
	if s.tags != "" {
		h.Set("X-Amz-Tagging", s.tags)
	}
	const encryption = "X-Amz-Server-Side-Encryption"
	switch s.sse {
	case "aes256":
		h.Set(encryption, "AES256")
	case "kms":
		h.Set(encryption, "aws:kms")
		if s.kmsKey != "" {
			h.Set(encryption+"-Aws-Kms-Key-Id", s.kmsKey)
		}
	}
	b.customerKey(h, "")
	return h, nil
}

// customerKey sets the headers with the caller's own key, without which nothing about such an object is answered. infix is
// "Copy-Source-" for the source of a copy.
func (b *bucket) customerKey(h http.Header, infix string) {
	key := b.p.o.store.key
	if key == nil {
		return
	}
	digest := md5.Sum(key)
	name := "X-Amz-" + infix + "Server-Side-Encryption-Customer-"
	h.Set(name+"Algorithm", "AES256")
	h.Set(name+"Key", base64.StdEncoding.EncodeToString(key))
	h.Set(name+"Key-Md5", base64.StdEncoding.EncodeToString(digest[:]))
}

// access are the headers of every other request about an object or its upload.
func (b *bucket) access() http.Header {
	h := http.Header{}
	b.customerKey(h, "")
	return h
}

// encodeText puts text that a header would not bring over unchanged into an encoded word, as S3 does when it answers.
func encodeText(text string) string {
	plain := text == strings.TrimSpace(text) && !strings.Contains(text, "=?") && !strings.ContainsFunc(text, func(r rune) bool {
		return r < ' ' || r >= 0x7f
	}) && !strings.Contains(text, "  ")
	if plain {
		return text
	}
	return "=?UTF-8?B?" + base64.StdEncoding.EncodeToString([]byte(text)) + "?="
}

// metaOf is the metadata of an answer, nil if there is none.
func metaOf(h http.Header) map[string]string {
	var meta map[string]string
	decoder := new(mime.WordDecoder)
	for name, values := range h {
		key, ok := strings.CutPrefix(name, metaPrefix)
		if !ok {
			continue
		}
		text := strings.Join(values, ",")
		if decoded, err := decoder.DecodeHeader(text); err == nil {
			text = decoded
		}
		if meta == nil {
			meta = map[string]string{}
		}
		meta[strings.ToLower(key)] = text
	}
	return meta
}

// isToken reports whether s can be part of a header's name.
func isToken(s string) bool {
	const others = "!#$%&'*+-.^_`|~"
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(others, r))
	})
}
