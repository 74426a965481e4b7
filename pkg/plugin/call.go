package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/hyperexport/hyperexport/pkg/backend"
	pb "github.com/hyperexport/hyperexport/pkg/plugin/proto/v1"
)

const (
	askAgain   = 2 * time.Millisecond   // until a call that is to be canceled has arrived
	dyingWords = 300 * time.Millisecond // between the end of a connection and that of its process
	deathBed   = 10 * time.Second       // until a killed process must be gone
	unheard    = "the call was not ended within %v of its context"
	noAnswers  = "it did not answer for %v"
)

// call is one call of the contract.
type call struct {
	op, key string
	bytes   bool // carries the bytes of an object
	long    bool // takes as long as it takes
}

// limit returns how long a call may take, zero for as long as its caller lets it.
func (t Timeouts) limit(c call) time.Duration {
	switch {
	case c.long:
		return 0
	case c.bytes:
		return t.Bytes
	}
	return t.Call
}

// do makes one call on the guest. When it returns, the guest neither works on it nor touches memory that it named: either
// it has answered or it is dead. f makes the request with the context that it is given.
//
// That context does not end with ctx: ending a gRPC call only means not to wait for its answer. Instead the guest is asked
// to end the call, and answers it; if it does not, it is killed.
func (h *Host) do(ctx context.Context, c call, f func(ctx context.Context, g *guest) error) error {
	if ctx.Err() != nil {
		return endedError(ctx, c.op, c.key)
	}
	if limit := h.o.Timeouts.limit(c); limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	g, err := h.acquire(ctx, c.op, c.key)
	if err != nil {
		return err
	}
	number := g.calls.Add(1)
	detached, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	detached = metadata.AppendToOutgoingContext(detached, callHeader, strconv.FormatUint(number, 10))
	unanswered, answered := context.WithCancel(context.WithoutCancel(ctx))
	defer answered()
	settled := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(settled)
		g.end(unanswered, number, h.o.Timeouts.Cancel)
	})
	err = f(detached, g)
	answered()
	if !stop() {
		<-settled
	}
	return h.settle(ctx, c, g, err)
}

// end asks the guest to end a call until it is answered, which is when the context unanswered ends, and kills the guest if
// that takes too long.
func (g *guest) end(unanswered context.Context, number uint64, patience time.Duration) {
	ctx, cancel := context.WithTimeout(unanswered, patience)
	defer cancel()
	for {
		r, err := g.backend.Cancel(ctx, &pb.CancelRequest{Call: number})
		if err != nil || r.GetFound() {
			break
		}
		select { // the call has not arrived yet
		case <-ctx.Done():
		case <-time.After(askAgain):
		}
	}
	<-ctx.Done()
	if unanswered.Err() == nil {
		g.kill(Hung, fmt.Errorf(unheard, patience))
	}
}

// settle makes the error of a call out of what gRPC says. After an error that the guest did not answer with, nobody knows
// what it is doing: it is killed.
func (h *Host) settle(ctx context.Context, c call, g *guest, err error) error {
	var own *backend.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return err
	}
	if w := detail(err); w != nil {
		return h.answered(ctx, c, w)
	}
	switch status.Code(err) {
	case codes.Unimplemented:
		return &backend.Error{Op: c.op, Key: c.key, Kind: backend.Unsupported, Err: errors.New("the plugin is older than this call")}
	case codes.ResourceExhausted:
		return &backend.Error{Op: c.op, Key: c.key, Kind: backend.Unavailable, Err: fmt.Errorf("a message of the plugin is too long: %s", status.Convert(err).Message())}
	}
	g.bury(fmt.Errorf("the connection broke: %s", status.Convert(err).Message()))
	if ctx.Err() != nil {
		return &backend.Error{Op: c.op, Key: c.key, Kind: backend.KindOf(ctx.Err()), Err: fmt.Errorf("%w; %w", ctx.Err(), g.failure())}
	}
	return &backend.Error{Op: c.op, Key: c.key, Kind: backend.Unavailable, Err: g.failure()}
}

// bury waits until a guest whose connection broke is dead. It first waits a moment whether it dies by itself, because then
// it is known of what.
func (g *guest) bury(why error) {
	select {
	case <-g.process.exited:
		return
	case <-time.After(dyingWords):
	}
	g.kill(Died, why)
	select {
	case <-g.process.exited:
	case <-time.After(deathBed):
	}
}

// answered makes the error of a guest's answer. Only the host knows why it ended a call.
func (h *Host) answered(ctx context.Context, c call, w *pb.Error) error {
	e := errorFrom(w, h.mask)
	switch ended := ctx.Err(); {
	case e.Kind != backend.Canceled && e.Kind != backend.Timeout:
	case ended != nil:
		e.Kind, e.Err = backend.KindOf(ended), ended
	case e.Kind == backend.Canceled:
		e.Kind, e.Err = backend.Unavailable, errors.New("the plugin ended a call that nobody canceled")
	}
	return e
}

// values runs a list of the guest. ctx ends it directly: a list neither changes a container nor touches memory. check looks
// at each value and the one before.
func values[T, R any](
	ctx context.Context, h *Host, c call,
	begin func(ctx context.Context, g *guest) (grpc.ServerStreamingClient[R], error),
	batch func(*R) []T, check func(v T, last *T) error,
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		if ctx.Err() != nil {
			yield(zero, endedError(ctx, c.op, c.key))
			return
		}
		g, err := h.acquire(ctx, c.op, c.key)
		if err != nil {
			yield(zero, err)
			return
		}
		listing, cancel := context.WithCancel(ctx)
		defer cancel()
		silent := h.silence(cancel)
		stream, err := begin(listing, g)
		var last *T
		for err == nil {
			var r *R
			silent.restart()
			r, err = stream.Recv()
			if tooLong := silent.stop(); tooLong && err != nil && ctx.Err() == nil {
				err = &backend.Error{Op: c.op, Key: c.key, Kind: backend.Timeout, Err: fmt.Errorf(noAnswers, h.o.Timeouts.Call)}
			}
			if err != nil {
				break
			}
			for _, v := range batch(r) {
				if err = check(v, last); err != nil {
					break
				}
				if !yield(v, nil) {
					return
				}
				last = &v
			}
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if ctx.Err() != nil {
			err = endedError(ctx, c.op, c.key)
		}
		yield(zero, h.settle(ctx, c, g, err))
	}
}

// silence watches over the waits for the next values of a list.
type silence struct {
	limit time.Duration
	timer *time.Timer
}

// silence returns a watch that calls end when a wait takes longer than Timeouts.Call.
func (h *Host) silence(end func()) *silence {
	s := &silence{limit: h.o.Timeouts.Call}
	if s.limit > 0 {
		s.timer = time.AfterFunc(s.limit, end)
		s.timer.Stop()
	}
	return s
}

func (s *silence) restart() {
	if s.timer != nil {
		s.timer.Reset(s.limit)
	}
}

// stop ends a wait and reports whether it took too long.
func (s *silence) stop() (tooLong bool) { return s.timer != nil && !s.timer.Stop() }
