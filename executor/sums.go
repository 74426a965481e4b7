package executor

import (
	"bufio"
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
)

const (
	sumsName = "SHA256SUMS"
	mostSums = 256 << 20 // bytes of a list that are read
)

// sumsFile is the list of SHA-256 sums beside the objects of a transfer, in the form that sha256sum -c reads.
type sumsFile struct {
	mu   sync.Mutex
	sums map[string]string // hex by name
}

// loadSums reads the list under the prefix to.
func loadSums(ctx context.Context, to transfer.Ref) (*sumsFile, error) {
	f := &sumsFile{sums: map[string]string{}}
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
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if sum, name, ok := parseSum(lines.Text()); ok {
			f.sums[name] = sum
		}
	}
	return f, lines.Err()
}

func (f *sumsFile) set(name string, sum backend.Checksum) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sums[name] = hex.EncodeToString(sum.Bytes())
}

func (f *sumsFile) has(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.sums[name]
	return ok
}

// store writes the list under the prefix to. If prune is true, names that are not there any more are left out.
func (f *sumsFile) store(ctx context.Context, to transfer.Ref, prune bool) error {
	if prune {
		there := map[string]bool{}
		for obj, err := range to.Storage.List(ctx, to.Key) {
			if err != nil {
				return err
			}
			there[obj.Key[len(to.Key):]] = true
		}
		maps.DeleteFunc(f.sums, func(name, _ string) bool { return !there[name] })
	}
	var text bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(f.sums)) {
		text.WriteString(formatSum(f.sums[name], name))
	}
	_, err := to.Storage.Put(ctx, to.Key+sumsName, text.Bytes(), backend.PutOptions{Checksum: backend.SumCRC32C(text.Bytes())})
	if err != nil {
		return fmt.Errorf("write %s: %w", to.At.Join(sumsName), err)
	}
	return nil
}

// recordSum adds the sum of one object to the list beside it.
func (x *Executor) recordSum(ctx context.Context, to transfer.Ref, sum backend.Checksum) error {
	base := to.At.Base()
	folder := to
	folder.Key = strings.TrimSuffix(to.Key, base)
	folder.At.Path = strings.TrimSuffix(to.At.Path, base)
	f, err := loadSums(ctx, folder)
	if err != nil {
		return err
	}
	f.set(base, sum)
	return f.store(ctx, folder, false)
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
	if sum, name, ok = strings.Cut(line, "  "); !ok || len(sum) != 64 {
		return "", "", false
	}
	if escaped {
		name = strings.NewReplacer("\\\\", "\\", "\\n", "\n", "\\r", "\r").Replace(name)
	}
	return sum, name, true
}
