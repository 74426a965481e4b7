package backendtest_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
)

func computeOptions(p *backendtest.MemProvider) backendtest.ComputeOptions {
	return backendtest.ComputeOptions{
		Request: backend.ExportRequest{Token: "check", Instance: "vm", Name: "disk", Formats: []string{"vmdk", "qcow2"},
			Staging: backend.Location{Scheme: "mem", Path: "staging/check/"}},
		Open: p.Open,
		Wait: func(ctx context.Context) error { return ctx.Err() },
	}
}

func TestMemComputeKeepsTheContract(t *testing.T) {
	p := backendtest.NewMemProvider()
	p.Exports.Polls = 3
	if err := backendtest.CheckCompute(t.Context(), p.Exports, computeOptions(p)); err != nil {
		t.Error(err)
	}
	if n := p.Exports.Jobs(); n > 0 {
		t.Errorf("%d jobs are left", n)
	}
	for o, err := range p.Container("staging").List(t.Context(), "") {
		t.Errorf("left %q, %v", o.Key, err)
	}
}

// brokenCompute is a MemCompute with one method replaced.
type brokenCompute struct {
	*backendtest.MemCompute
	check func(ctx context.Context, r []backend.ExportRequest) ([][]backend.Concern, error)
	start func(ctx context.Context, r backend.ExportRequest) (backend.Job, error)
	find  func(ctx context.Context, r backend.ExportRequest) (backend.Job, error)
	poll  func(ctx context.Context, id string) (backend.Job, error)
	end   func(ctx context.Context, id string, keepStaged bool) error
}

func (b *brokenCompute) CheckExports(ctx context.Context, r []backend.ExportRequest) ([][]backend.Concern, error) {
	return b.check(ctx, r)
}
func (b *brokenCompute) StartExport(ctx context.Context, r backend.ExportRequest) (backend.Job, error) {
	return b.start(ctx, r)
}
func (b *brokenCompute) FindExport(ctx context.Context, r backend.ExportRequest) (backend.Job, error) {
	return b.find(ctx, r)
}
func (b *brokenCompute) PollExport(ctx context.Context, id string) (backend.Job, error) {
	return b.poll(ctx, id)
}
func (b *brokenCompute) EndExport(ctx context.Context, id string, keepStaged bool) error {
	return b.end(ctx, id, keepStaged)
}

func TestCheckComputeNotices(t *testing.T) {
	for _, c := range []struct {
		name, want string
		wreck      func(m *backendtest.MemCompute, b *brokenCompute)
	}{
		{"start ignores the token", "start with the same token", func(m *backendtest.MemCompute, b *brokenCompute) {
			b.start = func(ctx context.Context, r backend.ExportRequest) (backend.Job, error) {
				r.Token += strings.Repeat("x", m.Began())
				return m.StartExport(ctx, r)
			}
		}},
		{"check begins", "a check began the export", func(m *backendtest.MemCompute, b *brokenCompute) {
			b.check = func(ctx context.Context, r []backend.ExportRequest) ([][]backend.Concern, error) {
				_, err := m.StartExport(ctx, r[0])
				return make([][]backend.Concern, len(r)), err
			}
		}},
		{"check blocks", "is checked with", func(m *backendtest.MemCompute, b *brokenCompute) {
			b.check = func(context.Context, []backend.ExportRequest) ([][]backend.Concern, error) {
				return [][]backend.Concern{nil, {{Text: "no", Blocks: true}}}, nil
			}
		}},
		{"never captured", "ready and not captured", func(m *backendtest.MemCompute, b *brokenCompute) {
			b.poll = func(ctx context.Context, id string) (backend.Job, error) {
				job, err := m.PollExport(ctx, id)
				job.Captured = false
				return job, err
			}
		}},
		{"find begins", "find an export before it was started: succeeded", func(m *backendtest.MemCompute, b *brokenCompute) {
			b.find = m.StartExport
		}},
		{"end leaves the staged objects", "after the end: succeeded", func(m *backendtest.MemCompute, b *brokenCompute) {
			b.end = func(ctx context.Context, id string, _ bool) error { return m.EndExport(ctx, id, true) }
		}},
		{"end removes what is to be kept", "kept export: artifact", func(m *backendtest.MemCompute, b *brokenCompute) {
			b.end = func(ctx context.Context, id string, _ bool) error { return m.EndExport(ctx, id, false) }
		}},
		{"end is not repeatable", "end twice", func(m *backendtest.MemCompute, b *brokenCompute) {
			b.end = func(ctx context.Context, id string, keep bool) error {
				if _, err := m.PollExport(ctx, id); err != nil {
					return err
				}
				return m.EndExport(ctx, id, keep)
			}
		}},
		{"ready too early", "the artifacts have the formats", func(m *backendtest.MemCompute, b *brokenCompute) {
			b.poll = func(ctx context.Context, id string) (backend.Job, error) {
				job, err := m.PollExport(ctx, id)
				job.Ready = true
				return job, err
			}
		}},
		{"poll fails for good", "poll: ", func(m *backendtest.MemCompute, _ *brokenCompute) { m.Refused = []string{"vmdk"} }},
		{"contexts are ignored", "canceled export: poll: succeeded", func(m *backendtest.MemCompute, b *brokenCompute) {
			b.poll = func(ctx context.Context, id string) (backend.Job, error) {
				return m.PollExport(context.WithoutCancel(ctx), id)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := backendtest.NewMemProvider()
			m := p.Exports
			b := &brokenCompute{MemCompute: m, check: m.CheckExports, start: m.StartExport, find: m.FindExport, poll: m.PollExport, end: m.EndExport}
			c.wreck(m, b)
			err := backendtest.CheckCompute(t.Context(), b, computeOptions(p))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want %q", err, c.want)
			}
		})
	}
}

// brokenProvider lies about what it has.
type brokenProvider struct{ *backendtest.MemProvider }

func (brokenProvider) Compute() (backend.Compute, error) { return nil, errors.New("none") }
func (brokenProvider) Close() error                      { return backend.Busy }

func TestCheckProvider(t *testing.T) {
	at := backend.Location{Scheme: "mem", Path: "container/key"}
	if err := backendtest.CheckProvider(backendtest.NewMemProvider(), at); err != nil {
		t.Error(err)
	}
	err := backendtest.CheckProvider(brokenProvider{backendtest.NewMemProvider()}, at)
	if err == nil || !errors.Is(err, backend.Busy) || !strings.Contains(err.Error(), `compute: want "unsupported"`) {
		t.Errorf("%v", err)
	}
}
