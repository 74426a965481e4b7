package sink

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperexport/hyperexport/pkg/event"
)

func TestLog(t *testing.T) {
	for _, c := range []struct {
		level slog.Level
		name  string
	}{{slog.LevelDebug, "log-debug.golden"}, {slog.LevelInfo, "log-info.golden"}} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			synctest.Test(t, func(t *testing.T) {
				utc := func(_ []string, a slog.Attr) slog.Attr {
					if a.Key == slog.TimeKey {
						a.Value = slog.StringValue(a.Value.Time().UTC().Format(time.TimeOnly))
					}
					return a
				}
				g := NewLog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: c.level, ReplaceAttr: utc})))
				advance(offBeat)
				for _, b := range bodies {
					g.Sink().Emit("transfer.logs", "a", b)
				}
				g.Sink().Emit("transfer.logs", "a", event.ItemEnded{Outcome: "done", Bytes: 5})
				g.Sink().Emit("transfer.logs", "", event.Moved{Bytes: 7})
				advance(30 * time.Second)
				if err := g.Close(); err != nil {
					t.Fatal(err)
				}
			})
			golden(t, c.name, out.String())
		})
	}
}

func TestLogKnowsEveryBody(t *testing.T) {
	for _, b := range bodies {
		if _, ok := b.(event.Moved); ok {
			continue // aggregated
		}
		if _, attrs := describe(b); len(attrs) == 0 || strings.Contains(fmt.Sprint(attrs), "body=") {
			t.Errorf("%s is not described", b.Type())
		}
	}
}
