package executor

import (
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plan"
)

// How a step or a run ended.
const (
	Done        = "done"
	Current     = "up to date"  // there was nothing to do
	Earlier     = "done before" // by the interrupted run that this one continues
	Failed      = "failed"
	NotRun      = "not run" // a step that it needs failed
	Interrupted = "interrupted"
	Partial     = "partial" // of a run: some steps ended well, some did not
	Blocked     = "blocked" // of a step that the plan says cannot be done, and of a run of which nothing can
)

// Report says what became of every step of a plan. It is plain data.
type Report struct {
	Format  int    `json:"format"`
	Name    string `json:"name"`
	Run     string `json:"run"`
	Outcome string `json:"outcome"`
	// ExitCode is what the command ends with.
	ExitCode int           `json:"exit_code"`
	Started  time.Time     `json:"started"`
	Took     time.Duration `json:"took_ns"`
	Bytes    int64         `json:"bytes"` // moved by this process
	Steps    []StepReport  `json:"steps"`

	Warnings []plan.Finding `json:"warnings,omitempty"` // of the plan
}

// StepReport says what became of one step.
type StepReport struct {
	ID      string        `json:"id"`
	Outcome string        `json:"outcome"`
	Took    time.Duration `json:"took_ns"`
	Retries int64         `json:"retries"`
	Result
	Error string       `json:"error,omitempty"`
	Kind  backend.Kind `json:"kind,omitempty"`
	Help  string       `json:"help,omitempty"` // what to do about the error
}

// Result is what a handler did.
type Result struct {
	Moved   int64    `json:"moved"`   // bytes sent in this run
	Reused  int64    `json:"reused"`  // bytes that an earlier run had sent
	Objects int64    `json:"objects"` // that were copied
	Kept    int64    `json:"kept"`    // objects that were up to date
	Deleted int64    `json:"deleted"`
	Rules   int64    `json:"rules,omitempty"`  // of a bucket that were added, changed or removed, as the plan saw them
	Failed  int64    `json:"failed"`           // objects
	Errors  []string `json:"errors,omitempty"` // of single objects
	Files   []File   `json:"files,omitempty"`  // of an export, or the one object of a transfer
	Left    []string `json:"left,omitempty"`   // what was made and is still there
}

// File is one object that a step made.
type File struct {
	At       backend.Location `json:"at"`
	Size     int64            `json:"size"`
	Checksum backend.Checksum `json:"checksum,omitempty"`
	SHA256   backend.Checksum `json:"sha256,omitempty"`
}

func (r *Result) addFile(at backend.Location, size int64, sum backend.Checksum) {
	r.Files = append(r.Files, File{At: at, Size: size, Checksum: sum})
	r.Objects = int64(len(r.Files))
}

func newReport(p *plan.Plan, started time.Time) *Report {
	r := &Report{Format: plan.Format, Name: p.Name, Run: p.Run, Started: started.UTC(), Warnings: p.Warnings}
	for _, s := range p.Steps {
		step := StepReport{ID: s.ID, Outcome: NotRun}
		switch {
		case s.Current != "":
			step.Outcome = Current
		case s.Blocked != "":
			step.Outcome, step.Error, step.Help = Blocked, s.Blocked, helpOf(p, s)
		}
		r.Steps = append(r.Steps, step)
	}
	return r
}

// helpOf returns what the plan says to do about what blocks a step.
func helpOf(p *plan.Plan, s plan.Step) string {
	for _, f := range p.Blocked {
		if f.Text == s.Blocked {
			return f.Help
		}
	}
	return ""
}

func (r *Report) step(id string) *StepReport {
	for i := range r.Steps {
		if r.Steps[i].ID == id {
			return &r.Steps[i]
		}
	}
	panic("executor: the plan has no step " + id)
}

func (r *Report) finishedBefore(s plan.Step) { r.step(s.ID).Outcome = Earlier }

func (r *Report) ruledOut(s plan.Step, because string) {
	step := r.step(s.ID)
	step.Outcome, step.Error = NotRun, "needs "+because+", which did not end well"
}

func (r *Report) add(o Outcome, retries int64) {
	step := r.step(o.Step.ID)
	step.Took, step.Retries, step.Result, step.Outcome = o.Took, retries, o.Result, Done
	r.Bytes += o.Moved
	if o.Err == nil {
		return
	}
	step.Outcome, step.Error, step.Kind, step.Help = Failed, o.Err.Error(), backend.KindOf(o.Err), Help(o.Err)
	if step.Kind == backend.Canceled {
		step.Outcome, step.Help = Interrupted, ""
	}
}

// settle decides the outcome of the run.
func (r *Report) settle(interrupted bool) {
	good, bad := 0, 0
	for _, s := range r.Steps {
		switch s.Outcome {
		case Done, Current, Earlier:
			good++
		default:
			bad++
		}
		if s.Failed > 0 && s.Objects+s.Kept > 0 {
			good++
		}
	}
	switch {
	case bad == 0:
		r.Outcome = Done
	case interrupted:
		r.Outcome = Interrupted
	case good > 0:
		r.Outcome = Partial
	default:
		r.Outcome = Failed
	}
}

// Help says what a user can do about an error; "" if there is nothing to say that its text does not.
func Help(err error) string {
	switch backend.KindOf(err) {
	case backend.NotFound:
		return "check that the location exists and that the user may see it"
	case backend.Unauthorized:
		return "check the credentials and this machine's clock"
	case backend.Forbidden:
		return "ask for the permission; some services answer so too when a thing does not exist"
	case backend.Invalid, backend.Unsupported:
		return "this cannot succeed as it is: correct what the error names, then run the same command again"
	case backend.Exists, backend.Changed:
		return "something else changed the object in the meantime; look at it and run the same command again"
	case backend.Corrupt:
		return "nothing wrong was published; run the same command again, and if it repeats suspect memory, disk or network hardware"
	case backend.Throttled, backend.Unavailable, backend.Timeout, backend.Offline, backend.Busy:
		return "run the same command again: it goes on where it stopped"
	case backend.Full:
		return "make room or raise the quota, then run the same command again: it goes on where it stopped"
	}
	return ""
}

// NothingToDo returns the report of a plan of which every step is up to date.
func NothingToDo(p *plan.Plan, now time.Time) *Report {
	r := newReport(p, now)
	r.settle(false)
	return r
}
