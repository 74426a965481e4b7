package sink

import (
	"bytes"
	"io"
	"sync"
	"time"

	"github.com/hyperexport/hyperexport/pkg/event"
)

const (
	barTick  = 100 * time.Millisecond
	barWake  = maxQueued / 4
	maxAbove = 1 << 20 // bytes written by Write that wait for a terminal that hangs
)

// BarOptions are the options of NewBar.
type BarOptions struct {
	// Size gives the terminal's width and height, asked for each frame; nil, or a size that is not positive, is 80x24.
	Size    func() (width, height int)
	NoColor bool // no colours; the escape codes that move the cursor remain
	ASCII   bool // no characters beyond ASCII of our own
	Rows    int  // steps shown at once, where the terminal has room; 0 is as many as fit
}

// Bar draws a bar for the whole run with a line for each running step below it, on a terminal that understands ANSI escape
// codes. What has ended, and what is written with Write, goes above it as lines that stay. The terminal is left with the
// cursor at the start of an empty line.
type Bar struct {
	pump   *pump
	out    output
	opts   BarOptions
	model  *model
	screen screen
	layout layout
	named  map[string]int // failed objects of a step that have a line

	mu     sync.Mutex
	above  bytes.Buffer
	missed bool
	closed bool
}

// NewBar starts a Bar on w, which is used by one goroutine until Close.
func NewBar(w io.Writer, o BarOptions) *Bar {
	b := &Bar{out: output{w: w}, opts: o, model: newModel(), named: map[string]int{}}
	b.screen.style = style{color: !o.NoColor, ascii: o.ASCII}
	b.layout.style = b.screen.style
	b.pump = newPump(barTick, barWake, b.handle)
	return b
}

// Emit takes an event; it never blocks.
func (b *Bar) Emit(e event.Event) { b.pump.emit(e) }

// Sink is Emit as a value.
func (b *Bar) Sink() event.Sink { return b.Emit }

// Write puts whole lines above the bar: logs and the stderr of plugins go through it while the bar stands. It never blocks
// and never fails; after Close it writes to the terminal itself.
func (b *Bar) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return b.out.w.Write(p)
	}
	if b.above.Len()+len(p) > maxAbove {
		b.missed = true
		return len(p), nil
	}
	return b.above.Write(p)
}

// Close draws the lines that stay, removes the bar, and returns the first error of the writer.
func (b *Bar) Close() error {
	err := b.out.closed(b.pump)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if err == nil {
		_, err = b.above.WriteTo(b.out.w) // came between the last frame and now
	}
	return err
}

func (b *Bar) handle(in batch) {
	for _, line := range b.written(in.last) {
		b.screen.stay(seg{text: line})
	}
	for _, e := range in.events {
		s := b.model.find(e.Step)
		b.model.apply(e)
		b.lasting(e, s)
	}
	b.model.sample(in.now)
	if in.dropped > 0 {
		b.screen.stay(seg{text: "some objects are not counted: the terminal was blocked", color: yellow})
	}
	width, height := b.size()
	var rows [][]seg
	if !in.last {
		rows = b.layout.frame(b.model, in.now, width, b.rows(height))
	}
	b.out.write(b.screen.draw(rows, width))
}

// written takes the lines that came through Write; half a line waits for its end.
func (b *Bar) written(all bool) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.above.Bytes()
	n := bytes.LastIndexByte(p, '\n') + 1
	if all {
		n = len(p)
	}
	lines := cleanLines(string(p[:n]))
	b.above.Next(n)
	if b.missed {
		b.missed = false
		lines = append(lines, "some lines are not shown: the terminal was blocked")
	}
	return lines
}

// lasting keeps what e has ended. s is its step as it was before.
func (b *Bar) lasting(e event.Event, s *step) {
	st := b.screen.style
	switch body := e.Body.(type) {
	case event.StepEnded:
		delete(b.named, e.Step)
		mark := st.mark(body.Outcome)
		b.screen.stay(mark, seg{text: " "}, seg{text: address(e.Step), color: bold}, seg{text: " " + endText(body, s)})
		for _, help := range cleanLines(body.Help) {
			b.screen.stay(seg{text: "    " + help})
		}
	case event.ItemEnded:
		if body.Outcome != "failed" || b.named[e.Step] == namedFailure {
			return
		}
		b.named[e.Step]++
		text := ": " + join(": ", clean(e.Item)+" failed", clean(body.Err))
		b.screen.stay(st.mark("failed"), seg{text: " "}, seg{text: address(e.Step), color: bold}, seg{text: text})
	case event.Warning:
		text := join(": ", clean(e.Step), clean(e.Item), clean(body.Text))
		b.screen.stay(seg{text: "! ", color: yellow}, seg{text: text})
	case event.RunEnded:
		b.screen.stay(st.mark(body.Outcome), seg{text: " " + runText(body, b.model)})
	}
}

func (b *Bar) size() (width, height int) {
	if b.opts.Size != nil {
		width, height = b.opts.Size()
	}
	if width <= 0 || height <= 0 {
		return 80, 24
	}
	return width, height
}

// rows leaves a line of what stood there before in sight.
func (b *Bar) rows(height int) int {
	n := max(height-1, 1)
	if b.opts.Rows > 0 {
		n = min(n, b.opts.Rows+1)
	}
	return n
}
