package local

import (
	"encoding/json"
	"errors"
	"os"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// metaAttr is the extended attribute that holds an object's metadata as a JSON object of strings.
const metaAttr = "user.hyperexport.meta"

// setMeta keeps meta with the file. Where there are no extended attributes (on Windows, and on some file systems) metadata
// is dropped: an object without its notes is worth more than none.
func setMeta(f *os.File, meta map[string]string) error {
	if len(meta) == 0 {
		return nil
	}
	text, err := json.Marshal(meta)
	if err != nil {
		return because(backend.Invalid, "metadata: %w", err)
	}
	err = setAttr(f, metaAttr, text)
	if errors.Is(err, errAttrSize) {
		return because(backend.Invalid, "its metadata has %d bytes, more than the file system keeps with a file", len(text))
	}
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

// getMeta returns the metadata of the file, nil if it has none or if that is not ours.
func getMeta(f *os.File) map[string]string {
	var meta map[string]string
	if text := getAttr(f, metaAttr); json.Unmarshal(text, &meta) != nil {
		return nil
	}
	return meta
}

var errAttrSize = errors.New("the attribute is too large")
