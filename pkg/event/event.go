// Package event is the one stream that a run reports on. The executor, the transfer engine and the retry layer emit
// events; a progress bar, plain lines, JSON, logs and metrics consume them.
//
// A Sink is passed as a field and may be nil. It is called from many goroutines at once and must not block: it is on the
// path of the bytes. What must survive a crash is not an event but a journal record.
package event

import "time"

// Sink consumes events. Use Emit to call one that may be nil.
type Sink func(Event)

// Emit stamps the event and hands it to the sink; a nil sink drops it.
func (s Sink) Emit(step, item string, body Body) {
	if s != nil {
		s(Event{Time: time.Now(), Step: step, Item: item, Body: body})
	}
}

// Tee returns a sink that hands each event to all of sinks, in order; nil ones are left out.
func Tee(sinks ...Sink) Sink {
	return func(e Event) {
		for _, s := range sinks {
			if s != nil {
				s(e)
			}
		}
	}
}

// Event is something that happened.
type Event struct {
	Time time.Time `json:"time"`
	Step string    `json:"step,omitempty"` // the plan's address of the step: `export.web["web-01"]`; empty for the run
	Item string    `json:"item,omitempty"` // the object within the step
	Body Body      `json:"body"`
}

// Body is one of the types below.
type Body interface {
	// Type names the body in JSON and logs: "step_started".
	Type() string
}

// The bodies. Sizes are bytes. A value of -1 means not known.
type (
	// RunStarted opens the stream.
	RunStarted struct {
		Run     string `json:"run"`
		Name    string `json:"name"`
		Steps   int    `json:"steps"`
		Bytes   int64  `json:"bytes"`
		Resumed bool   `json:"resumed"` // continues a run that was cut short
	}
	// RunEnded closes the stream.
	RunEnded struct {
		Outcome string        `json:"outcome"` // done, partial, failed, interrupted
		Took    time.Duration `json:"took_ns"`
	}
	// StepStarted says that a step has begun.
	StepStarted struct {
		Title string `json:"title"`
		Bytes int64  `json:"bytes"`
	}
	// StepPhase says what a step is doing now, where that is not moving bytes: "creating image" with 30 of 100 done.
	StepPhase struct {
		Phase string `json:"phase"`
		Done  int64  `json:"done"`
		Total int64  `json:"total"`
	}
	// StepEnded says how a step ended: done, skipped, failed, interrupted, or not_run because a step it needs failed.
	StepEnded struct {
		Outcome string        `json:"outcome"`
		Bytes   int64         `json:"bytes"` // moved in this run
		Took    time.Duration `json:"took_ns"`
		Err     string        `json:"error,omitempty"`
		Help    string        `json:"help,omitempty"` // what to do about it
	}
	// ItemStarted says that an object's transfer has begun.
	ItemStarted struct {
		Bytes  int64 `json:"bytes"`
		Resume int64 `json:"resume"` // bytes of it that an earlier run has already moved
	}
	// ItemEnded says how an object's transfer ended: done, skipped, deleted, failed or interrupted.
	ItemEnded struct {
		Outcome  string `json:"outcome"`
		Bytes    int64  `json:"bytes"`
		Checksum string `json:"checksum,omitempty"`
		Err      string `json:"error,omitempty"`
	}
	// Moved says that bytes have arrived at the destination.
	Moved struct {
		Bytes int64 `json:"bytes"`
	}
	// Retrying says that a call failed and will be repeated.
	Retrying struct {
		Op      string        `json:"op"`
		Attempt int           `json:"attempt"` // of the call that failed, from 1
		Wait    time.Duration `json:"wait_ns"`
		Err     string        `json:"error"`
	}
	// Paused says that work waits for an endpoint that cannot be reached.
	Paused struct {
		Endpoint string        `json:"endpoint"`
		Reason   string        `json:"reason"`
		Limit    time.Duration `json:"limit_ns"` // gives up after this long
	}
	// Resumed says that the endpoint is back.
	Resumed struct {
		Endpoint string        `json:"endpoint"`
		After    time.Duration `json:"after_ns"`
	}
	// Warning is something the user should know that stops nothing.
	Warning struct {
		Text string `json:"text"`
	}
)

// Type implements Body.
func (RunStarted) Type() string { return "run_started" }

// Type implements Body.
func (RunEnded) Type() string { return "run_ended" }

// Type implements Body.
func (StepStarted) Type() string { return "step_started" }

// Type implements Body.
func (StepPhase) Type() string { return "step_phase" }

// Type implements Body.
func (StepEnded) Type() string { return "step_ended" }

// Type implements Body.
func (ItemStarted) Type() string { return "item_started" }

// Type implements Body.
func (ItemEnded) Type() string { return "item_ended" }

// Type implements Body.
func (Moved) Type() string { return "moved" }

// Type implements Body.
func (Retrying) Type() string { return "retrying" }

// Type implements Body.
func (Paused) Type() string { return "paused" }

// Type implements Body.
func (Resumed) Type() string { return "resumed" }

// Type implements Body.
func (Warning) Type() string { return "warning" }
