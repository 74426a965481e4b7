package sink_test

import (
	"os"
	"time"

	"github.com/hyperexport/hyperexport/pkg/event"
	"github.com/hyperexport/hyperexport/pkg/event/sink"
)

func Example() {
	plain := sink.NewPlain(os.Stdout, sink.PlainOptions{Zone: time.UTC})
	var metrics sink.Metrics
	out := event.Tee(plain.Emit, metrics.Emit)

	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	out(event.Event{Time: at, Step: "transfer.logs", Body: event.StepStarted{Title: "copy logs to oci://ns/archive", Bytes: 3 << 30}})
	out(event.Event{Time: at.Add(9 * time.Second), Step: "transfer.logs", Body: event.StepPhase{Phase: "verifying"}})
	out(event.Event{Time: at.Add(10 * time.Second), Step: "transfer.logs", Body: event.StepEnded{Outcome: "done", Bytes: 3 << 30, Took: 10 * time.Second}})

	if err := plain.Close(); err != nil {
		os.Exit(1)
	}
	// Output:
	// 03:04:05 transfer.logs: started: copy logs to oci://ns/archive, 3.0 GiB
	// 03:04:14 transfer.logs: verifying
	// 03:04:15 transfer.logs: done: 3.0 GiB in 10s
}
