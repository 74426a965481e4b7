package backendtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// MemCompute is a Compute in memory: it makes generated disk images in the containers of a MemProvider. A job becomes
// ready only by being polled, so that tests drive it. Set the fields before the first call; the methods are safe for
// concurrent use.
type MemCompute struct {
	Instances []string                     // that exist; any if nil
	Size      int64                        // of an artifact in bytes; 1 MiB if zero
	Polls     int                          // how many polls a phase takes; 1 if zero
	Refused   []string                     // formats whose export fails for good
	Concerns  map[string][]backend.Concern // of CheckExports, by instance or image
	Seed      uint64                       // of Rules with Probability
	Rules     []Rule                       // Op, Key (the instance or job), Nth, Every, Probability, Times, Do, Delay, Hang, After and Err count

	staging *MemProvider
	script  script
	mu      sync.Mutex
	jobs    map[string]*memJob
	began   int
}

type memJob struct {
	backend.Job
	request backend.ExportRequest
	polls   int
}

var _ backend.Compute = (*MemCompute)(nil)

// NewMemCompute returns a Compute that stages in the containers of p.
func NewMemCompute(p *MemProvider) *MemCompute {
	return &MemCompute{staging: p, jobs: map[string]*memJob{}}
}

// Calls returns how often an operation was called.
func (c *MemCompute) Calls(op string) int { return c.script.count(op) }

// Began returns how many jobs were begun: fewer than the calls of StartExport if some found theirs.
func (c *MemCompute) Began() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.began
}

// Jobs returns how many jobs hold resources that EndExport has to release.
func (c *MemCompute) Jobs() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.jobs)
}

// Artifact returns the bytes of the artifact that an export of instance in format makes, as a pattern, and their number.
func (c *MemCompute) Artifact(instance, format string) (*Pattern, int64) {
	return NewPattern(artifactSeed(instance, format)), c.size()
}

func artifactSeed(instance, format string) uint64 {
	seed := uint64(1)
	for _, b := range []byte(instance + "\x00" + format) {
		seed = mix(seed ^ uint64(b))
	}
	return seed
}

func (c *MemCompute) size() int64 {
	if c.Size == 0 {
		return 1 << 20
	}
	return c.Size
}

// Formats lists four.
func (c *MemCompute) Formats() []string { return []string{"qcow2", "vmdk", "vhd", "vdi"} }

func (c *MemCompute) pass(ctx context.Context, op, key string, effect func() error) error {
	if err := ctx.Err(); err != nil {
		return fail(op, key, backend.KindOf(err), err)
	}
	at := call{op: op, key: key}
	return at.run(ctx, c.script.begin(ctx, at, c.Seed, c.Rules), effect)
}

// CheckExports returns the Concerns.
func (c *MemCompute) CheckExports(ctx context.Context, r []backend.ExportRequest) (concerns [][]backend.Concern, err error) {
	err = c.pass(ctx, OpCheckExports, "", func() error {
		for _, q := range r {
			concerns = append(concerns, slices.Clone(c.Concerns[q.Source()]))
		}
		return nil
	})
	return concerns, err
}

// StartExport begins the job of the token or finds it.
func (c *MemCompute) StartExport(ctx context.Context, r backend.ExportRequest) (job backend.Job, err error) {
	err = c.pass(ctx, OpStartExport, r.Instance, func() error {
		if err := c.checkRequest(r); err != nil {
			return err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		id := "job/" + r.Token
		held, ok := c.jobs[id]
		if !ok {
			held = &memJob{request: r, Job: backend.Job{ID: id, Phase: "creating image", Total: int64(1 + len(r.Formats))}}
			c.jobs[id] = held
			c.began++
		}
		job = held.public()
		return nil
	})
	return answer(job, err)
}

func (c *MemCompute) checkRequest(r backend.ExportRequest) error {
	refuse := func(kind backend.Kind, format string, args ...any) error {
		return fail(OpStartExport, r.Instance, kind, fmt.Errorf(format, args...))
	}
	badByte := func(b rune) bool {
		return b != '-' && (b < '0' || b > '9') && (b < 'A' || b > 'Z') && (b < 'a' || b > 'z')
	}
	switch {
	case r.Token == "" || len(r.Token) > 40 || strings.ContainsFunc(r.Token, badByte):
		return refuse(backend.Invalid, "token %q", r.Token)
	case len(r.Formats) == 0:
		return refuse(backend.Invalid, "no format is named")
	case (r.Instance == "") == (r.Image == ""):
		return refuse(backend.Invalid, "instance %q and image %q", r.Instance, r.Image)
	case c.Instances != nil && r.Image == "" && !slices.Contains(c.Instances, r.Instance):
		return refuse(backend.NotFound, "there is no instance %q", r.Instance)
	case !r.Staging.IsPrefix():
		return refuse(backend.Invalid, "staging location %s does not end with a slash", r.Staging)
	}
	for _, format := range r.Formats {
		if !slices.Contains(c.Formats(), format) {
			return refuse(backend.Invalid, "format %q", format)
		}
	}
	_, _, err := c.staging.Open(r.Staging)
	return err
}

// FindExport finds the job of the token.
func (c *MemCompute) FindExport(ctx context.Context, r backend.ExportRequest) (job backend.Job, err error) {
	err = c.pass(ctx, OpFindExport, r.Instance, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		held, ok := c.jobs["job/"+r.Token]
		if !ok {
			return fail(OpFindExport, r.Instance, backend.NotFound, nil)
		}
		job = held.public()
		return nil
	})
	return answer(job, err)
}

// PollExport moves the job on by one step: each phase takes Polls of them.
func (c *MemCompute) PollExport(ctx context.Context, id string) (job backend.Job, err error) {
	err = c.pass(ctx, OpPollExport, id, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		held, ok := c.jobs[id]
		if !ok {
			return fail(OpPollExport, id, backend.NotFound, nil)
		}
		if err := c.advance(held); err != nil {
			return err
		}
		job = held.public()
		return nil
	})
	return answer(job, err)
}

func (c *MemCompute) advance(j *memJob) error {
	if j.Ready {
		return nil
	}
	if j.polls++; j.polls < max(1, c.Polls) {
		return nil
	}
	formats := j.request.Formats
	if n := int(j.Done) - 1; n >= 0 {
		if slices.Contains(c.Refused, formats[n]) {
			return fail(OpPollExport, j.ID, backend.Invalid, errors.New("the image cannot be exported as "+formats[n]))
		}
		j.Artifacts = append(j.Artifacts, c.stage(j.request, formats[n]))
	}
	j.polls = 0
	j.Done++
	j.Captured = true
	if j.Ready = j.Done == j.Total; j.Ready {
		j.Phase = "ready"
	} else {
		j.Phase = "exporting " + formats[j.Done-1]
	}
	return nil
}

// stage puts the artifact in its place, past whatever wraps the container.
func (c *MemCompute) stage(r backend.ExportRequest, format string) backend.Artifact {
	name := r.Name + "." + format
	at := r.Staging.Join(name)
	container, key, _ := strings.Cut(at.Path, "/")
	c.staging.Container(container).AddGenerated(key, c.size(), artifactSeed(r.Source(), format))
	return backend.Artifact{Name: name, At: at, Size: c.size(), Format: format}
}

// EndExport forgets the job and removes what it staged.
func (c *MemCompute) EndExport(ctx context.Context, id string, keepStaged bool) error {
	return c.pass(ctx, OpEndExport, id, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		held, ok := c.jobs[id]
		if !ok {
			return nil
		}
		if !keepStaged {
			for _, a := range held.Artifacts {
				container, key, _ := strings.Cut(a.At.Path, "/")
				c.staging.Container(container).remove(key)
			}
		}
		delete(c.jobs, id)
		return nil
	})
}

func (j *memJob) public() backend.Job {
	job := j.Job
	job.Artifacts = slices.Clone(job.Artifacts)
	return job
}
