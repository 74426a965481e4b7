package transfer

import (
	"fmt"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// Error says on which side a transfer failed.
type Error struct {
	Side string           // "source" or "destination"
	At   backend.Location // the object on that side
	Err  error
}

// Error names the side and the object.
func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Side, e.At, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func sourceError(r Ref, err error) error      { return sideError("source", r, err) }
func destinationError(r Ref, err error) error { return sideError("destination", r, err) }

func sideError(side string, r Ref, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Side: side, At: r.At, Err: err}
}

func corrupt(op, key, format string, args ...any) error {
	return &backend.Error{Op: op, Key: key, Kind: backend.Corrupt, Err: fmt.Errorf(format, args...)}
}
