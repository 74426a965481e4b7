package sink

import (
	"context"
	"log/slog"
	"time"

	"github.com/hyperexport/hyperexport/pkg/event"
)

const logEvery = 10 * time.Second

// Log writes the stream as records of slog: single objects, phases and bytes as Debug, the run and its steps as Info, what
// waits or is repeated as Warn, what failed as Error. The message is the type of the event, its fields are attributes.
type Log struct {
	pump    *pump
	out     output // keeps the first error of the handler
	handler slog.Handler
	moves   moves
}

// NewLog starts a Log sink on l, which one goroutine uses until Close.
func NewLog(l *slog.Logger) *Log {
	g := &Log{handler: l.Handler()}
	g.pump = newPump(time.Second, 1, g.handle)
	return g
}

// Emit takes an event; it never blocks.
func (g *Log) Emit(e event.Event) { g.pump.emit(e) }

// Sink is Emit as a value.
func (g *Log) Sink() event.Sink { return g.Emit }

// Close logs what is left and returns the first error of the handler.
func (g *Log) Close() error { return g.out.closed(g.pump) }

func (g *Log) handle(b batch) {
	moved := func(step string, n, sum int64) {
		e := event.Event{Time: b.now, Step: step, Body: event.Moved{Bytes: n}}
		g.record(e, slog.LevelDebug, slog.Int64("bytes", n), slog.Int64("step_bytes", sum))
	}
	for _, e := range b.events {
		if m, ok := e.Body.(event.Moved); ok {
			g.moves.add(e.Step, m.Bytes)
			continue
		}
		g.moves.before(e, moved)
		level, attrs := describe(e.Body)
		g.record(e, level, attrs...)
	}
	switch {
	case b.last:
		g.moves.due(b.now, 0, moved)
	case b.tick:
		g.moves.due(b.now, logEvery, moved)
	}
	if b.dropped > 0 {
		r := slog.NewRecord(b.now, slog.LevelWarn, "dropped", 0)
		r.AddAttrs(slog.Int("count", b.dropped))
		g.send(r)
	}
}

func (g *Log) record(e event.Event, level slog.Level, attrs ...slog.Attr) {
	r := slog.NewRecord(e.Time, level, e.Body.Type(), 0)
	if e.Step != "" {
		r.AddAttrs(slog.String("step", e.Step))
	}
	if e.Item != "" {
		r.AddAttrs(slog.String("item", e.Item))
	}
	r.AddAttrs(attrs...)
	g.send(r)
}

func (g *Log) send(r slog.Record) {
	ctx := context.Background() // handlers take values from it; there are none
	if !g.handler.Enabled(ctx, r.Level) {
		return
	}
	if err := g.handler.Handle(ctx, r); err != nil && g.out.err == nil {
		g.out.err = err
	}
}

// describe gives the level of a body and its fields, under the names they have in JSON; times are durations.
func describe(body event.Body) (slog.Level, []slog.Attr) {
	switch b := body.(type) {
	case event.RunStarted:
		return slog.LevelInfo, []slog.Attr{slog.String("run", b.Run), slog.String("name", b.Name),
			slog.Int("steps", b.Steps), slog.Int64("bytes", b.Bytes), slog.Bool("resumed", b.Resumed)}
	case event.RunEnded:
		return outcomeLevel(b.Outcome), []slog.Attr{slog.String("outcome", b.Outcome), slog.Duration("took", b.Took)}
	case event.StepStarted:
		return slog.LevelInfo, []slog.Attr{slog.String("title", b.Title), slog.Int64("bytes", b.Bytes)}
	case event.StepPhase:
		return slog.LevelDebug, []slog.Attr{slog.String("phase", b.Phase), slog.Int64("done", b.Done),
			slog.Int64("total", b.Total)}
	case event.StepEnded:
		return outcomeLevel(b.Outcome), with([]slog.Attr{slog.String("outcome", b.Outcome),
			slog.Int64("bytes", b.Bytes), slog.Duration("took", b.Took)}, "error", b.Err, "help", b.Help)
	case event.ItemStarted:
		return slog.LevelDebug, []slog.Attr{slog.Int64("bytes", b.Bytes), slog.Int64("resume", b.Resume)}
	case event.ItemEnded:
		level := outcomeLevel(b.Outcome)
		if level == slog.LevelInfo {
			level = slog.LevelDebug
		}
		return level, with([]slog.Attr{slog.String("outcome", b.Outcome), slog.Int64("bytes", b.Bytes)},
			"checksum", b.Checksum, "error", b.Err)
	case event.Retrying:
		return slog.LevelWarn, []slog.Attr{slog.String("op", b.Op), slog.Int("attempt", b.Attempt),
			slog.Duration("wait", b.Wait), slog.String("error", b.Err)}
	case event.Paused:
		return slog.LevelWarn, []slog.Attr{slog.String("endpoint", b.Endpoint), slog.String("reason", b.Reason),
			slog.Duration("limit", b.Limit)}
	case event.Resumed:
		return slog.LevelInfo, []slog.Attr{slog.String("endpoint", b.Endpoint), slog.Duration("after", b.After)}
	case event.Warning:
		return slog.LevelWarn, []slog.Attr{slog.String("text", b.Text)}
	default:
		return slog.LevelInfo, []slog.Attr{slog.Any("body", body)}
	}
}

// with adds the pairs of name and text whose text is not empty.
func with(attrs []slog.Attr, pairs ...string) []slog.Attr {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			attrs = append(attrs, slog.String(pairs[i], pairs[i+1]))
		}
	}
	return attrs
}

func outcomeLevel(outcome string) slog.Level {
	switch outcome {
	case "failed":
		return slog.LevelError
	case "partial", "interrupted":
		return slog.LevelWarn
	}
	return slog.LevelInfo
}
