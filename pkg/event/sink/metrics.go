package sink

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hyperexport/hyperexport/pkg/event"
)

// Metrics counts what the stream reports, for Prometheus. Its zero value is ready; its methods may be called at once from
// many goroutines. It does not grow with the number of objects or steps.
type Metrics struct {
	mu       sync.Mutex
	bytes    int64
	running  map[string]bool
	planned  int64
	runs     map[string]int64
	steps    map[string]int64
	items    map[string]int64
	retries  map[string]int64
	pauses   map[string]int64
	waiting  map[string]time.Time // since when, by endpoint
	waited   time.Duration
	warnings int64
	started  time.Time // the last run
	success  time.Time // the end of the last run that was done
	took     time.Duration
}

// Sink is Emit as a value.
func (m *Metrics) Sink() event.Sink { return m.Emit }

// Emit counts an event; it never blocks.
func (m *Metrics) Emit(e event.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch b := e.Body.(type) {
	case event.Moved:
		m.bytes += b.Bytes
	case event.RunStarted:
		m.started, m.planned = e.Time, b.Bytes
		clear(m.running)
		clear(m.waiting)
	case event.RunEnded:
		count(&m.runs, b.Outcome)
		m.took = b.Took
		if b.Outcome == "done" {
			m.success = e.Time
		}
		clear(m.waiting)
	case event.StepStarted:
		if m.running == nil {
			m.running = map[string]bool{}
		}
		m.running[e.Step] = true
	case event.StepEnded:
		count(&m.steps, b.Outcome)
		delete(m.running, e.Step)
	case event.ItemEnded:
		count(&m.items, b.Outcome)
	case event.Retrying:
		count(&m.retries, b.Op)
	case event.Warning:
		m.warnings++
	case event.Paused:
		if _, ok := m.waiting[b.Endpoint]; !ok {
			count(&m.pauses, b.Endpoint)
			if m.waiting == nil {
				m.waiting = map[string]time.Time{}
			}
			m.waiting[b.Endpoint] = e.Time
		}
	case event.Resumed:
		if since, ok := m.waiting[b.Endpoint]; ok {
			m.waited += max(e.Time.Sub(since), 0)
			delete(m.waiting, b.Endpoint)
		}
	}
}

func count(m *map[string]int64, key string) {
	if *m == nil {
		*m = map[string]int64{}
	}
	(*m)[key]++
}

// WritePrometheus writes the metrics in the text exposition format of Prometheus, version 0.0.4. It holds nobody up while
// w writes.
func (m *Metrics) WritePrometheus(w io.Writer) error {
	m.mu.Lock()
	var x exposition
	x.metric("hyperexport_bytes_moved_total", "counter", "Bytes that arrived at their destination.", float64(m.bytes))
	x.family("hyperexport_runs_total", "counter", "Runs that have ended.", "outcome", m.runs)
	x.family("hyperexport_steps_total", "counter", "Steps that have ended.", "outcome", m.steps)
	x.family("hyperexport_items_total", "counter", "Objects whose transfer has ended.", "outcome", m.items)
	x.family("hyperexport_retries_total", "counter", "Calls that failed and were repeated.", "op", m.retries)
	x.family("hyperexport_pauses_total", "counter", "Times that work waited for an endpoint.", "endpoint", m.pauses)
	x.metric("hyperexport_paused_seconds_total", "counter", "Time that work has waited for endpoints that came back.",
		m.waited.Seconds())
	x.metric("hyperexport_warnings_total", "counter", "Warnings.", float64(m.warnings))
	x.metric("hyperexport_steps_running", "gauge", "Steps under way.", float64(len(m.running)))
	x.metric("hyperexport_endpoints_unreachable", "gauge", "Endpoints that work waits for.", float64(len(m.waiting)))
	if !m.started.IsZero() {
		x.metric("hyperexport_run_started_timestamp_seconds", "gauge", "Start of the last run.", unix(m.started))
		if m.planned >= 0 {
			x.metric("hyperexport_run_planned_bytes", "gauge", "Bytes that the last run has to move.", float64(m.planned))
		}
	}
	if m.took > 0 {
		x.metric("hyperexport_run_duration_seconds", "gauge", "Time that the last run took.", m.took.Seconds())
	}
	if !m.success.IsZero() {
		x.metric("hyperexport_last_success_timestamp_seconds", "gauge", "End of the last run that was done.", unix(m.success))
	}
	m.mu.Unlock()
	if _, err := w.Write(x.Bytes()); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// exposition is text in the format of Prometheus.
type exposition struct{ bytes.Buffer }

func (x *exposition) head(name, kind, help string) {
	x.WriteString("# HELP " + name + " " + help + "\n# TYPE " + name + " " + kind + "\n")
}

func (x *exposition) metric(name, kind, help string, value float64) {
	x.head(name, kind, help)
	x.WriteString(name + " " + number(value) + "\n")
}

func (x *exposition) family(name, kind, help, label string, values map[string]int64) {
	if len(values) == 0 {
		return
	}
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
	x.head(name, kind, help)
	for _, key := range names(values) {
		value := escape.Replace(strings.ToValidUTF8(key, "\uFFFD"))
		x.WriteString(name + "{" + label + `="` + value + `"} ` + number(float64(values[key])) + "\n")
	}
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
