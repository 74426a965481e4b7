package transfer

import (
	"fmt"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

const (
	mib             = 1 << 20
	defaultPartSize = 16 * mib
	leastInFlight   = 4 // parts that should fit into memory together
)

// PartSize returns the size of the parts in which an object of size bytes is uploaded to a destination with the given
// limits, when memory bytes of buffers are there: 16 MiB, less if fewer than four of those fit into memory, more if the
// object would otherwise have too many parts. It fails with Invalid if no size satisfies all limits.
func PartSize(size int64, l backend.Limits, memory int64) (int64, error) {
	if l.MaxObject > 0 && size > l.MaxObject {
		return 0, invalidSize("an object of %d bytes is larger than the %d bytes that the destination holds in one", size, l.MaxObject)
	}
	part := int64(defaultPartSize)
	if memory/leastInFlight < part {
		part = max(memory/leastInFlight/mib*mib, min(mib, memory))
	}
	part = max(part, l.MinPart)
	if l.MaxPart > 0 {
		part = min(part, l.MaxPart)
	}
	if l.MaxParts > 0 && ceilDiv(size, part) > int64(l.MaxParts) {
		exact := ceilDiv(size, int64(l.MaxParts))
		if part = ceilDiv(exact, mib) * mib; l.MaxPart > 0 && exact <= l.MaxPart {
			part = min(part, l.MaxPart)
		}
	}
	switch {
	case l.MaxPart > 0 && part > l.MaxPart:
		return 0, invalidSize("%d parts of at most %d MiB do not hold an object of %d MiB", l.MaxParts, l.MaxPart/mib, size/mib)
	case size > part && part > memory:
		return 0, invalidSize("an object of %d MiB needs parts of %d MiB, and limits.memory is %d MiB; raise limits.memory to at least %d MiB",
			size/mib, part/mib, memory/mib, part/mib)
	}
	return part, nil
}

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }

func invalidSize(format string, args ...any) error {
	return &backend.Error{Op: "choose part size", Kind: backend.Invalid, Err: fmt.Errorf(format, args...)}
}
