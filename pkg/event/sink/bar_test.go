package sink

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hyperexport/hyperexport/pkg/event"
)

func TestBar(t *testing.T) {
	for _, c := range []struct {
		name          string
		width, height int
		opts          BarOptions
	}{
		{"bar-80x24", 80, 24, BarOptions{}},
		{"bar-200x50", 200, 50, BarOptions{}},
		{"bar-40x3-ascii", 40, 3, BarOptions{NoColor: true, ASCII: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newTerm(t, c.width, c.height)
				c.opts.Size = m.size
				b := NewBar(m, c.opts)
				var screens strings.Builder
				look := func(what string) {
					fmt.Fprintf(&screens, "=== %s\n%s", what, m.screen())
				}
				play(b.Sink(), look)
				fmt.Fprintln(b, "level=INFO msg=\"a line of the log\"")
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
				look("closed")
				golden(t, c.name+".golden", screens.String())
				if m.r != len(m.lines)-1 || m.c != 0 || len(m.lines[m.r].cells) != 0 {
					t.Errorf("the cursor is left at row %d of %d, column %d", m.r, len(m.lines), m.c)
				}
				if m.colours == c.opts.NoColor {
					t.Errorf("colours: %v", m.colours)
				}
				if c.opts.ASCII && strings.ContainsFunc(m.screen(), func(r rune) bool { return r > '~' }) {
					t.Error("not ASCII:", m.screen())
				}
			})
		})
	}
}

func TestBarWritesOneFrameOnceAndOnlyWhenSomethingChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTerm(t, 80, 24)
		b := NewBar(m, BarOptions{Size: m.size})
		advance(10 * time.Second)
		if m.writes != 0 {
			t.Errorf("%d writes before anything began", m.writes)
		}
		b.Sink().Emit("", "", event.RunStarted{Steps: 1, Bytes: 1000})
		for range 10_000 {
			b.Sink().Emit("a", "x", event.Moved{Bytes: 0})
		}
		advance(10 * time.Second)
		// The clock on the row changes once a second, the rate is known a second later.
		if m.writes > 25 {
			t.Errorf("%d writes in 10 s in which nothing happened", m.writes)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestBarSurvivesResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTerm(t, 120, 30)
		b := NewBar(m, BarOptions{Size: m.size})
		s := b.Sink()
		s.Emit("", "", event.RunStarted{Name: "r", Steps: 4, Bytes: 4 << 30})
		for i := range 3 {
			s.Emit(fmt.Sprintf(`export.all["a-machine-with-a-rather-long-name-%d"]`, i), "", event.StepStarted{Title: "export", Bytes: 1 << 30})
			s.Emit(fmt.Sprintf(`export.all["a-machine-with-a-rather-long-name-%d"]`, i), "d", event.ItemStarted{Bytes: 1 << 30})
		}
		s.Emit("first", "", event.StepEnded{Outcome: "done", Took: time.Second})
		advance(2 * time.Second)
		for _, size := range [][2]int{{50, 30}, {31, 20}, {90, 40}, {20, 40}, {120, 30}} {
			m.resize(size[0], size[1])
			advance(2 * time.Second)
			if m.widest > size[0]-1 {
				t.Errorf("%v: a row of %d columns", size, m.widest)
			}
			screen := m.screen()
			if n := strings.Count(screen, "0%"); n != 1 {
				t.Errorf("%v: %d bars on the screen:\n%s", size, n, screen)
			}
			if !strings.HasPrefix(screen, "✓ first in 1s\n") {
				t.Errorf("%v: the line of the finished step is gone:\n%s", size, screen)
			}
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if got := m.screen(); got != "✓ first in 1s\n\n" {
			t.Errorf("left on the screen:\n%s", got)
		}
	})
}

func TestBarFitsTheHeight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, height := range []int{1, 2, 3, 8, 200} {
			m := newTerm(t, 80, height)
			b := NewBar(m, BarOptions{Size: m.size})
			s := b.Sink()
			s.Emit("", "", event.RunStarted{Steps: 100, Bytes: -1})
			for i := range 100 {
				s.Emit(fmt.Sprintf("transfer.t-%02d", i), "", event.StepStarted{Bytes: 1})
			}
			advance(5 * time.Second)
			rows := strings.Count(m.screen(), "\n")
			if want := min(max(height-1, 1), 101); rows != want {
				t.Errorf("height %d: %d rows, want %d", height, rows, want)
			}
			if height == 8 && !strings.HasSuffix(m.screen(), "  and 95 more\n") {
				t.Errorf("no word of the steps that are not shown:\n%s", m.screen())
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestBarWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTerm(t, 80, 24)
		b := NewBar(m, BarOptions{Size: m.size, NoColor: true})
		b.Sink().Emit("", "", event.RunStarted{Steps: 2, Bytes: -1})
		advance(time.Second)
		fmt.Fprint(b, "first half, ")
		advance(time.Second)
		if strings.Contains(m.screen(), "half") {
			t.Errorf("half a line is shown:\n%s", m.screen())
		}
		fmt.Fprint(b, "second half\n\x1b[2Jnext\nthe rest")
		advance(time.Second)
		if !strings.HasPrefix(m.screen(), "first half, second half\n?[2Jnext\n   0%") {
			t.Errorf("got:\n%s", m.screen())
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(b, "after\n")
		if want := "first half, second half\n?[2Jnext\nthe rest\nafter\n\n"; m.screen() != want {
			t.Errorf("got:\n%s", m.screen())
		}
	})
}

func TestBarWriteIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &blocked{release: make(chan struct{})}
		b := NewBar(w, BarOptions{})
		b.Sink().Emit("", "", event.RunStarted{})
		advance(time.Second)
		line := bytes.Repeat([]byte("x"), 1023)
		line = append(line, '\n')
		for range 5000 {
			if n, err := b.Write(line); n != len(line) || err != nil {
				t.Fatal(n, err)
			}
		}
		if b.above.Len() > maxAbove {
			t.Errorf("%d bytes wait", b.above.Len())
		}
		close(w.release)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(w.String(), "some lines are not shown") {
			t.Error("no word of the lines that are missing")
		}
	})
}
