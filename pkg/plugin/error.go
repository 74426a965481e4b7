package plugin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hyperexport/hyperexport/pkg/backend"
	pb "github.com/hyperexport/hyperexport/pkg/plugin/proto/v1"
)

// Reason says what is wrong with a plugin. A Reason is itself an error, so that errors.Is(err, plugin.Missing) works through
// every layer.
type Reason string

// The reasons.
const (
	Missing       Reason = "missing"        // there is no such file
	NotExecutable Reason = "not executable" // the file may not be run
	WrongSystem   Reason = "wrong system"   // no program, or one for another system or architecture
	WrongDigest   Reason = "wrong digest"   // not the file whose SHA-256 is wanted
	Untrusted     Reason = "untrusted"      // nobody has said that it may run; Launch does not judge that
	WrongProtocol Reason = "wrong protocol" // no plugin at all, or one of another version of the protocol
	Crashed       Reason = "crashed"        // it ended before it was ready
	Hung          Reason = "hung"           // it was not ready, or did not answer, in time
	Died          Reason = "died"           // it ended, or its connection broke, while it was in use
	Unstable      Reason = "unstable"       // it was started again too often
	Misused       Reason = "misused"        // the options are wrong
	Closed        Reason = "closed"         // the host was closed
)

// Error makes a Reason usable as the target of errors.Is.
func (r Reason) Error() string { return string(r) }

// Error is about a plugin, not about what it was asked to do: the file, the process, or the protocol. Where a method of the
// contract returns one, it is inside a *backend.Error: of Kind Unavailable if the call may be repeated, of Kind Unknown if
// repeating it is useless.
type Error struct {
	Plugin string // Options.Name
	Path   string // of the program
	Reason Reason
	Err    error // says it in full
}

// Error gives "plugin NAME (PATH): cause".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("plugin " + e.Plugin)
	if e.Path != "" {
		b.WriteString(" (" + e.Path + ")")
	}
	b.WriteString(": ")
	if e.Err != nil {
		b.WriteString(e.Err.Error())
	} else {
		b.WriteString(e.Reason.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the error's Reason.
func (e *Error) Is(target error) bool {
	r, ok := target.(Reason)
	return ok && r == e.Reason
}

// maxErrorText is how much of an error's text crosses, in bytes.
const maxErrorText = 8 << 10

// wireError makes the message of an error. op is used where the error does not name its own.
func wireError(op string, err error) *pb.Error {
	w := &pb.Error{Kind: text(string(backend.KindOf(err))), Op: text(op), Message: text(cut(err.Error(), maxErrorText)),
		RetryAfter: int64(backend.RetryAfter(err))}
	var e *backend.Error
	if !errors.As(err, &e) {
		return w
	}
	w.Key, w.RequestId = []byte(e.Key), text(e.RequestID)
	if err == error(e) { //nolint:errorlint // only the outermost error says no more than its fields
		w.Op, w.Message = text(e.Op), ""
		if e.Err != nil {
			w.Message = text(cut(e.Err.Error(), maxErrorText))
		}
	}
	return w
}

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}

// statusOf makes the gRPC status of an error; nil stays nil.
func statusOf(op string, err error) error {
	if err == nil {
		return nil
	}
	wire := wireError(op, err)
	s, detailErr := status.New(codes.Unknown, "see the detail").WithDetails(wire)
	if detailErr != nil {
		return status.Error(codes.Internal, detailErr.Error())
	}
	return s.Err()
}

// errorFrom makes the error of a message.
func errorFrom(w *pb.Error, mask *masker) *backend.Error {
	e := &backend.Error{Op: mask.line(w.GetOp()), Key: string(w.GetKey()), Kind: backend.Kind(w.GetKind()),
		RetryAfter: max(0, time.Duration(w.GetRetryAfter())), RequestID: mask.line(w.GetRequestId())}
	if e.Op == "" {
		e.Op = "call"
	}
	if w.GetMessage() != "" {
		e.Err = errors.New(mask.part(w.GetMessage(), len(w.GetMessage()) >= maxErrorText))
	}
	return e
}

// detail returns the message of an error that the guest answered with, nil if the guest did not answer.
func detail(err error) *pb.Error {
	s, ok := status.FromError(err)
	if !ok {
		return nil
	}
	for _, d := range s.Details() {
		if w, ok := d.(*pb.Error); ok {
			return w
		}
	}
	return nil
}

// endedError is the error of a call whose context has ended.
func endedError(ctx context.Context, op, key string) error {
	return &backend.Error{Op: op, Key: key, Kind: backend.KindOf(ctx.Err()), Err: ctx.Err()}
}

// lie is the error of an answer that cannot be true.
func lie(op, key, format string, args ...any) error {
	return &backend.Error{Op: op, Key: key, Kind: backend.Corrupt, Err: fmt.Errorf("the plugin answered wrongly: "+format, args...)}
}
