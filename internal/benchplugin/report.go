package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/hyperexport/hyperexport/pkg/plugin"
)

// The targets.
const (
	mostWall      = 1.05 // of the wall time in process
	mostProcessor = 0.05 // seconds per GiB more than in process, both processes together
	mostMemory    = 64 * mib
)

// subject is a backend and what is done with it.
type subject struct {
	kind  string
	loads []workload
}

// large measures parts.
func (b *bench) large(ctx context.Context) error {
	part := func(name string, calls int, p prepare) workload {
		return workload{name: name, size: partSize, parallel: inFlight, calls: calls, prepare: p}
	}
	return b.table(ctx, []subject{
		{"s3", []workload{part("S3, upload parts", 48, uploads), part("S3, read ranges", 48, ranges)}},
		{"file", []workload{part("files, upload parts", 48, uploads), part("files, read ranges", 48, fileRanges)}},
		{"mem", []workload{part("nothing, upload parts", 48, uploads), part("nothing, read ranges", 48, ranges)}},
	}, "WORKLOAD, 16 MiB, 4 in flight\tWAY\tWALL s/GiB\tTHIS WAY\tRATIO\t\tCPU s/GiB\tTHIS WAY\tMORE\t\tTARGET\t",
		func(c comparison) string {
			return fmt.Sprintf("%.3f\t%.3f\t%.2f\t[%.2f %.2f]\t%.3f\t%.3f\t%+.3f\t[%+.3f %+.3f]\t%s\t", c.wall[0], c.wall[1],
				c.ratio.median, c.ratio.low, c.ratio.high, c.processor[0], c.processor[1], c.more.median, c.more.low, c.more.high, c.verdict())
		}, gib/partSize)
}

// small measures objects of 16 KiB.
func (b *bench) small(ctx context.Context) error {
	object := func(name string, calls int, p prepare) workload {
		return workload{name: name, size: smallSize, parallel: 32, calls: calls, prepare: p}
	}
	return b.table(ctx, []subject{
		{"s3", []workload{object("S3, put", 1000, puts), object("S3, read", 1000, wholes)}},
		{"file", []workload{object("files, put", 1000, puts), object("files, read", 1000, fileWholes)}},
		{"mem", []workload{object("nothing, put", 2000, puts), object("nothing, read", 2000, wholes)}},
	}, "WORKLOAD, 16 KiB, 32 in flight\tWAY\tCALLS/s\tTHIS WAY\tRATIO\t\tCPU µs/CALL\tTHIS WAY\tMORE\t\t",
		func(c comparison) string {
			return fmt.Sprintf("%.0f\t%.0f\t%.2f\t[%.2f %.2f]\t%.1f\t%.1f\t%+.1f\t[%+.1f %+.1f]\t", 1/c.wall[0], 1/c.wall[1],
				1/c.ratio.median, 1/c.ratio.high, 1/c.ratio.low, 1e6*c.processor[0], 1e6*c.processor[1], 1e6*c.more.median, 1e6*c.more.low, 1e6*c.more.high)
		}, 1)
}

// table prints a row for each workload and each way beyond the first. Times are those of so many calls.
func (b *bench) table(ctx context.Context, subjects []subject, head string, row func(comparison) string, calls float64) error {
	t := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', 0)
	for _, s := range subjects {
		loads := slices.DeleteFunc(s.loads, func(w workload) bool { return !b.only.MatchString(w.name) })
		if len(loads) == 0 {
			continue
		}
		if head != "" {
			fmt.Fprintln(t, head)
			head = ""
		}
		ways, err := b.open(ctx, s.kind)
		if err != nil {
			return err
		}
		for _, w := range loads {
			for _, other := range ways[1:] {
				samples, err := b.compare(ctx, w, [2]way{ways[0], other})
				if err != nil {
					return err
				}
				c := compared(samples, calls)
				c.target = other.name == shared && s.kind != "mem"
				fmt.Fprintf(t, "%s\t%s\t%s\n", w.name, other.name, row(c))
			}
		}
	}
	if head == "" {
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// comparison is of the samples of a way with those in process. All times are in seconds.
type comparison struct {
	wall, processor [2]float64 // medians, of the way in process and of this one
	ratio, more     spread     // of wall, and of processor
	target          bool       // there is one
}

// spread is a median with its quartiles.
type spread struct{ low, median, high float64 }

// compared compares by round. The times are those of so many calls.
func compared(samples [2][]sample, calls float64) comparison {
	base, other := samples[0], samples[1]
	var c comparison
	var ratios, differences []float64
	for i := range base {
		ratios = append(ratios, other[i].wall/base[i].wall)
		differences = append(differences, calls*(other[i].processor-base[i].processor))
	}
	for i, s := range samples {
		c.wall[i] = calls * spreadOf(each(s, func(s sample) float64 { return s.wall })).median
		c.processor[i] = calls * spreadOf(each(s, func(s sample) float64 { return s.processor })).median
	}
	c.ratio, c.more = spreadOf(ratios), spreadOf(differences)
	return c
}

func each(samples []sample, f func(sample) float64) []float64 {
	all := make([]float64, len(samples))
	for i, s := range samples {
		all[i] = f(s)
	}
	return all
}

func spreadOf(values []float64) spread {
	v := slices.Sorted(slices.Values(values))
	last := len(v) - 1
	return spread{v[last/4], (v[last/2] + v[(last+1)/2]) / 2, v[last-last/4]}
}

func (c comparison) verdict() string {
	if !c.target {
		return ""
	}
	met := "met"
	if c.ratio.median > mostWall || c.more.median > mostProcessor {
		met = "not met"
	}
	if runtime.GOOS != "linux" {
		met += " (processor time is measured on Linux only)"
	}
	return fmt.Sprintf("<= %.2f and <= +%.2f: %s", mostWall, mostProcessor, met)
}

// launches measures how long it takes until a plugin is ready.
func (b *bench) launches(ctx context.Context) error {
	if !b.only.MatchString("launch") {
		return nil
	}
	_, config := b.subject("mem")
	o, err := options("mem", config, nil, make(chan int))
	if err != nil {
		return err
	}
	var walls []float64
	for range 5 * b.rounds {
		started := time.Now()
		h, err := plugin.Launch(ctx, o)
		if err != nil {
			return err
		}
		walls = append(walls, 1e3*time.Since(started).Seconds())
		if err := h.Close(); err != nil {
			return err
		}
	}
	s := spreadOf(walls)
	fmt.Fprintf(b.out, "launch of a plugin until it is ready: %.1f ms [%.1f %.1f]\n", s.median, s.low, s.high)
	return nil
}

// memory measures the most memory that the processes of a transfer have at once.
func (b *bench) memory(ctx context.Context) error {
	if !b.only.MatchString("memory") {
		return nil
	}
	most, text, err := b.watchTransfer(ctx)
	if err != nil || most == 0 {
		return err
	}
	verdict := "met"
	if most > memoryLimit+mostMemory {
		verdict = "not met"
	}
	_, err = fmt.Fprintf(b.out, "%s: at most %d MiB, of host and plugin together; target <= %d + %d MiB: %s\n",
		text, most/mib, memoryLimit/mib, mostMemory/mib, verdict)
	return err
}
