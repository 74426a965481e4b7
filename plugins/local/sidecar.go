package local

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// The sidecar is a text file of lines that each begin with the CRC32C of their rest:
//
//	1a2b3c4d upload 1 <size> <part size> <created, Unix ns> "<file name>"
//	1a2b3c4d void <part>
//	1a2b3c4d part <part> <size> <CRC32C> <tag> <writer>
//
// The first says what the upload is. "void" is written before the bytes of a part and "part" after them, so the last line
// about a part says what it is, whatever moment a process was killed at. Lines are appended in one write each, with an
// empty line before, so that a torn one spoils none but itself. writer names the provider that wrote the part: bytes
// that another one wrote, in another process or before the machine last started, may be lost or changed although the line
// is there, and are compared before they are believed.
//
// The name is that of the file alone, so that the upload is found from a container above or below as well.

// sidecar is the parsed form.
type sidecar struct {
	upload backend.Upload // Key is the file name
	parts  map[int]sidecarPart
}

type sidecarPart struct {
	backend.Part
	writer string
}

func sidecarName(id string) string { return ownPrefix + id + ".parts" }

// ownID returns the id in the name of one of our files, and whether it is a sidecar.
func ownID(name string) (id string, isSidecar, ok bool) {
	id, isPart := strings.CutSuffix(strings.TrimPrefix(name, ownPrefix), ".part")
	if !isPart {
		id, isSidecar = strings.CutSuffix(strings.TrimPrefix(name, ownPrefix), ".parts")
	}
	return id, isSidecar, strings.HasPrefix(name, ownPrefix) && (isPart || isSidecar) && validID(id)
}

func validID(id string) bool {
	return len(id) == 32 && strings.Trim(id, "0123456789abcdef") == ""
}

func headerLine(u backend.Upload) string {
	return fmt.Sprintf("upload 1 %d %d %d %s", u.Size, u.PartSize, u.Created.UnixNano(), strconv.QuoteToASCII(path.Base(u.Key)))
}

func voidLine(n int) string { return fmt.Sprintf("void %d", n) }

func partLine(p sidecarPart) string {
	sum, _ := p.Checksum.CRC32C()
	return fmt.Sprintf("part %d %d %08x %s %s", p.Number, p.Size, sum, p.Tag, p.writer)
}

// appendLine writes one line to f, which is open for appending.
func appendLine(f *os.File, line string) error {
	_, err := fmt.Fprintf(f, "\n%08x %s\n", crc32.Checksum([]byte(line), crc32.MakeTable(crc32.Castagnoli)), line)
	return err
}

// divides reports whether an object of this size can be divided into parts of that.
func divides(size, partSize int64) bool {
	return size >= 0 && partSize >= 0 && (size == 0 || partSize > 0 && (size-1)/partSize < maxParts)
}

var errNoHeader = errors.New("the list of parts has no readable beginning")

// readSidecar parses r. Lines that are damaged are passed over, but for the first. With headOnly it stops after that.
func readSidecar(r io.Reader, headOnly bool) (*sidecar, error) {
	lines := bufio.NewReader(r)
	var car *sidecar
	for {
		line, err := lines.ReadSlice('\n')
		switch rest, ok := cutSum(bytes.TrimSuffix(line, []byte("\n"))); {
		case !ok:
		case car == nil:
			if car = parseHeader(rest); car == nil || headOnly {
				return car, orNoHeader(car)
			}
		default:
			car.add(rest)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue // of a damaged line; the rest of it has no valid sum either
		}
		if errors.Is(err, io.EOF) {
			return car, orNoHeader(car)
		}
		if err != nil {
			return nil, err
		}
	}
}

func orNoHeader(car *sidecar) error {
	if car == nil {
		return errNoHeader
	}
	return nil
}

func cutSum(line []byte) (rest string, ok bool) {
	sum, text, ok := strings.Cut(string(line), " ")
	want, err := strconv.ParseUint(sum, 16, 32)
	ok = ok && err == nil && uint32(want) == crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli))
	return text, ok
}

func parseHeader(line string) *sidecar {
	var u backend.Upload
	var created int64
	if _, err := fmt.Sscanf(line, "upload 1 %d %d %d %q", &u.Size, &u.PartSize, &created, &u.Key); err != nil {
		return nil
	}
	if checkKey(u.Key) != nil || strings.Contains(u.Key, "/") || !divides(u.Size, u.PartSize) {
		return nil
	}
	u.Created = time.Unix(0, created)
	return &sidecar{upload: u, parts: map[int]sidecarPart{}}
}

func (c *sidecar) add(line string) {
	field := strings.Fields(line)
	if len(field) < 2 {
		return
	}
	n, err := strconv.Atoi(field[1])
	if err != nil {
		return
	}
	delete(c.parts, n)
	if field[0] != "part" || len(field) != 6 {
		return
	}
	size, err1 := strconv.ParseInt(field[2], 10, 64)
	sum, err2 := strconv.ParseUint(field[3], 16, 32)
	if err1 != nil || err2 != nil {
		return
	}
	c.parts[n] = sidecarPart{
		Part:   backend.Part{Number: n, Size: size, Tag: field[4], Checksum: backend.CRC32CChecksum(uint32(sum))},
		writer: field[5],
	}
}

// sorted returns the parts in ascending order.
func (c *sidecar) sorted() []sidecarPart {
	return slices.SortedFunc(maps.Values(c.parts), func(a, b sidecarPart) int { return a.Number - b.Number })
}
