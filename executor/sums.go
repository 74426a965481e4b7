package executor

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
	"github.com/hyperexport/hyperexport/plan"
)

const (
	sumsName = plan.SumsName
	mostSums = 256 << 20 // bytes of a list that are read
)

// sumsFile is the list of SHA-256 sums beside the objects of a transfer, in the form that sha256sum -c reads.
type sumsFile struct {
	mu   sync.Mutex
	sums map[string]string // hex by name
	ours map[string]string // those of them that were set here
	text []byte            // as it was read; nil if it was not there
}

// loadSums reads the list under the prefix to.
func loadSums(ctx context.Context, to transfer.Ref) (*sumsFile, error) {
	f := &sumsFile{sums: map[string]string{}, ours: map[string]string{}}
	obj, err := to.Storage.Stat(ctx, to.Key+sumsName)
	if errors.Is(err, backend.NotFound) {
		return f, nil
	}
	if err == nil && obj.Size > mostSums {
		err = fmt.Errorf("it has %d bytes, the most that is read is %d", obj.Size, mostSums)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", to.At.Join(sumsName), err)
	}
	text := make([]byte, obj.Size)
	if n, err := to.Storage.ReadAt(ctx, obj, text, 0); n < len(text) || err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", to.At.Join(sumsName), err)
	}
	f.text = text
	for line := range strings.SplitSeq(string(text), "\n") {
		if sum, name, ok := parseSum(line); ok {
			f.sums[name] = sum
		}
	}
	return f, nil
}

func (f *sumsFile) set(name string, sum backend.Checksum) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sums[name] = hex.EncodeToString(sum.Bytes())
	f.ours[name] = f.sums[name]
}

func (f *sumsFile) has(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.sums[name]
	return ok
}

// storeSums adds ours to the list under the prefix to, which other steps may have changed meanwhile. If prune is true, names
// that are not there any more are left out.
func (x *run) storeSums(ctx context.Context, to transfer.Ref, ours *sumsFile, prune bool) error {
	x.sums.Lock()
	defer x.sums.Unlock()
	f, err := loadSums(ctx, to)
	if err != nil {
		return err
	}
	maps.Copy(f.sums, ours.ours)
	if prune {
		there := map[string]bool{}
		for obj, err := range to.Storage.List(ctx, to.Key) {
			if err != nil {
				return fmt.Errorf("look what %s lists in vain: %w", to.At.Join(sumsName), err)
			}
			there[obj.Key[len(to.Key):]] = true
		}
		maps.DeleteFunc(f.sums, func(name, _ string) bool { return !there[name] })
	}
	var text bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(f.sums)) {
		text.WriteString(formatSum(f.sums[name], name))
	}
	if f.text != nil && bytes.Equal(text.Bytes(), f.text) {
		return nil
	}
	_, err = to.Storage.Put(ctx, to.Key+sumsName, text.Bytes(), backend.PutOptions{Checksum: backend.SumCRC32C(text.Bytes())})
	if err != nil {
		return fmt.Errorf("write %s: %w", to.At.Join(sumsName), err)
	}
	return nil
}

// recordSum adds the sum of one object to the list beside it.
func (x *run) recordSum(ctx context.Context, to transfer.Ref, sum backend.Checksum) error {
	folder, name := folderOf(to)
	ours := &sumsFile{sums: map[string]string{}, ours: map[string]string{}}
	ours.set(name, sum)
	return x.storeSums(ctx, folder, ours, false)
}

// folderOf returns the prefix that an object is in, and its name there.
func folderOf(to transfer.Ref) (folder transfer.Ref, name string) {
	name = to.At.Base()
	to.Key, to.At.Path = strings.TrimSuffix(to.Key, name), strings.TrimSuffix(to.At.Path, name)
	return to, name
}

// formatSum gives one line. As sha256sum does, a name with a backslash or a line break is escaped and the line marked so.
func formatSum(sum, name string) string {
	escaped := strings.NewReplacer("\\", "\\\\", "\n", "\\n", "\r", "\\r").Replace(name)
	if escaped != name {
		return "\\" + sum + "  " + escaped + "\n"
	}
	return sum + "  " + name + "\n"
}

func parseSum(line string) (sum, name string, ok bool) {
	line, escaped := strings.CutPrefix(line, "\\")
	if sum, name, ok = strings.Cut(line, " "); !ok || len(sum) != 64 || name == "" || name[0] != ' ' && name[0] != '*' {
		return "", "", false
	}
	name = name[1:] // behind the mark for text or binary
	if escaped {
		name = strings.NewReplacer("\\\\", "\\", "\\n", "\n", "\\r", "\r").Replace(name)
	}
	return sum, name, true
}
