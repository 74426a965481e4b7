package sink

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hyperexport/hyperexport/pkg/event"
)

const jsonEvery = time.Second

// JSON writes an object per line and event: time, step, item, type, and the fields of the body. The lines are described
// in docs/events.md; fields are added to them and never renamed or removed.
type JSON struct {
	pump  *pump
	out   output
	moves moves
	buf   bytes.Buffer
	enc   *json.Encoder
}

// NewJSON starts a JSON sink on w, which is used by one goroutine until Close.
func NewJSON(w io.Writer) *JSON {
	j := &JSON{out: output{w: w}}
	j.enc = json.NewEncoder(&j.buf)
	j.enc.SetEscapeHTML(false)
	j.pump = newPump(jsonEvery/4, 1, j.handle)
	return j
}

// Emit takes an event; it never blocks.
func (j *JSON) Emit(e event.Event) { j.pump.emit(e) }

// Sink is Emit as a value.
func (j *JSON) Sink() event.Sink { return j.Emit }

// Close writes what is left and returns the first error of the writer.
func (j *JSON) Close() error { return j.out.closed(j.pump) }

// head is what every line has.
type head struct {
	Time time.Time `json:"time"`
	Step string    `json:"step,omitempty"`
	Item string    `json:"item,omitempty"`
	Type string    `json:"type"`
}

// movedFields are the fields of a moved line: many Moved in one.
type movedFields struct {
	Bytes int64 `json:"bytes"`
	Step  int64 `json:"step_bytes"`
}

// droppedFields are the fields of a dropped line, which is no event: it says that lines are missing.
type droppedFields struct {
	Count int `json:"count"`
}

func (j *JSON) handle(b batch) {
	moved := func(step string, n, sum int64) {
		j.line(head{Time: b.now, Step: step, Type: event.Moved{}.Type()}, movedFields{n, sum})
	}
	for _, e := range b.events {
		if m, ok := e.Body.(event.Moved); ok {
			j.moves.add(e.Step, m.Bytes)
			continue
		}
		j.moves.before(e, moved)
		j.line(head{e.Time, e.Step, e.Item, e.Body.Type()}, e.Body)
	}
	switch {
	case b.last:
		j.moves.due(b.now, 0, moved)
	case b.tick:
		j.moves.due(b.now, jsonEvery, moved)
	}
	if b.dropped > 0 {
		j.line(head{Time: b.now, Type: "dropped"}, droppedFields{b.dropped})
	}
	j.out.write(escape(j.buf.Bytes()))
	j.buf.Reset()
}

// line joins the two objects into one: `{"time":...}` and `{"bytes":...}`. A body that cannot be encoded, which none of
// package event is, leaves its head.
func (j *JSON) line(h head, body any) {
	h.Time = h.Time.UTC()
	if j.enc.Encode(h) != nil {
		return
	}
	end := j.buf.Len()
	if err := j.enc.Encode(body); err != nil || j.buf.Len() <= end+len("{}\n") {
		j.buf.Truncate(end)
		return
	}
	all := j.buf.Bytes()
	// ...}\n{... becomes ...,...
	all[end-2] = ','
	copy(all[end-1:], all[end+1:])
	j.buf.Truncate(len(all) - 2)
}

// escape writes as \u what JSON allows and a terminal obeys. Text beyond ASCII stands in strings only.
func escape(line []byte) []byte {
	if !bytes.ContainsFunc(line, obeyed) {
		return line
	}
	var out []byte
	for _, r := range string(line) {
		if obeyed(r) {
			out = fmt.Appendf(out, "\\u%04x", r)
		} else {
			out = utf8.AppendRune(out, r)
		}
	}
	return out
}

func obeyed(r rune) bool {
	return r >= 0x7f && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
}
