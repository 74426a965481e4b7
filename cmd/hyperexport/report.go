package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hyperexport/hyperexport/executor"
	"github.com/hyperexport/hyperexport/internal/human"
)

// writeReportText writes the table of a run for people: a row for each step, below it what it made or why it failed.
func writeReportText(out io.Writer, r *executor.Report, color bool) error {
	w := &bytes.Buffer{}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "STEP\tRESULT\tOBJECTS\tMOVED\tTIME\tRATE\tRETRIES")
	for _, s := range r.Steps {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\n", s.ID, s.Outcome, objects(s), moved(s), took(s.Took), rate(s), s.Retries)
	}
	_ = t.Flush() // a buffer takes everything
	for _, s := range r.Steps {
		writeDetails(w, s)
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(w, "\nwarning: %s: %s\n", warning.Step, warning.Text)
	}
	outcome := strings.ToUpper(r.Outcome[:1]) + r.Outcome[1:]
	if color {
		code := "32"
		if r.Outcome != executor.Done {
			code = "31"
		}
		outcome = "\x1b[" + code + "m" + outcome + "\x1b[0m"
	}
	last := fmt.Sprintf("\n%s: run %s of %s, %s in %s.\n", outcome, r.Run, r.Name, human.Bytes(r.Bytes), human.Duration(r.Took))
	_, err := io.WriteString(out, human.Plain(w.String())+last)
	return err
}

func writeDetails(w io.Writer, s executor.StepReport) {
	if len(s.Files) == 0 && s.Error == "" && len(s.Left) == 0 && len(s.Errors) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", s.ID)
	for _, f := range s.Files {
		fmt.Fprintf(w, "  %s  %s  %s\n", f.At, human.Bytes(f.Size), f.Checksum)
		if f.SHA256 != "" {
			fmt.Fprintf(w, "    %s\n", f.SHA256)
		}
	}
	if s.Error != "" && s.Outcome != executor.Interrupted {
		fmt.Fprintf(w, "  error: %s\n", strings.ReplaceAll(s.Error, "\n", "\n         "))
	}
	for _, e := range s.Errors {
		fmt.Fprintf(w, "  error: %s\n", e)
	}
	if s.Help != "" {
		fmt.Fprintf(w, "  help: %s\n", s.Help)
	}
	for _, left := range s.Left {
		fmt.Fprintf(w, "  left: %s\n", left)
	}
}

func objects(s executor.StepReport) string {
	if s.Rules > 0 {
		return human.Plural(s.Rules, "rule")
	}
	text := human.Count(s.Objects)
	for _, n := range []struct {
		count int64
		word  string
	}{{s.Kept, "kept"}, {s.Deleted, "deleted"}, {s.Failed, "failed"}} {
		if n.count > 0 {
			text += fmt.Sprintf(", %s %s", human.Count(n.count), n.word)
		}
	}
	return text
}

func moved(s executor.StepReport) string {
	text := human.Bytes(s.Moved)
	if s.Reused > 0 {
		text += " + " + human.Bytes(s.Reused) + " before"
	}
	return text
}

func took(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return human.Duration(d)
}

func rate(s executor.StepReport) string {
	if s.Took <= 0 || s.Moved == 0 {
		return "-"
	}
	return human.Rate(float64(s.Moved) / s.Took.Seconds())
}
