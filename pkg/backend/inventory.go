package backend

import (
	"context"
	"iter"
	"time"
)

// Inventory lists what an account holds and lets it be watched and switched. Methods are safe for concurrent use.
// Errors are *Error.
type Inventory interface {
	// Scopes yields the compartments, projects or folders that can be seen, parents before children.
	Scopes(ctx context.Context) iter.Seq2[Scope, error]
	// Resources yields what matches q. It ends after the first error.
	Resources(ctx context.Context, q Query) iter.Seq2[Resource, error]
	// Metrics returns the series of one resource.
	Metrics(ctx context.Context, id string, q MetricQuery) ([]Series, error)
	// Act does something to a resource: "start", "stop", "softstop", "reset".
	Act(ctx context.Context, id, action string) error
}

// Scope is one compartment, project or folder.
type Scope struct {
	ID     string `json:"id"`
	Parent string `json:"parent,omitempty"`
	Name   string `json:"name"`
	Path   string `json:"path"` // names from below the root, joined by "/"; the root's is ""
}

// Query selects resources. The zero value selects all; fields narrow it down together.
type Query struct {
	Type      string            // "instance", "bucket"
	ID        string            // exactly this resource
	Scope     string            // id or path of a Scope
	Recursive bool              // and the scopes below it
	Name      string            // pattern with * and ?
	State     []string          // any of these
	Tags      map[string]string // all of these
}

// MatchesName reports whether the query is for that name. In Query.Name * stands for any text and ? for one character; a
// slash is nothing special.
func (q Query) MatchesName(name string) bool { return q.Name == "" || glob(q.Name, name) }

// glob reports whether name matches pattern.
func glob(pattern, name string) bool {
	p, n := []rune(pattern), []rune(name)
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(n) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == n[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

// Resource is one thing in an account.
type Resource struct {
	ID         string            `json:"id"`
	Type       string            `json:"type"`
	Name       string            `json:"name"`
	Scope      string            `json:"scope"`
	ScopePath  string            `json:"scope_path"`
	Region     string            `json:"region,omitempty"`
	State      string            `json:"state"`
	Created    time.Time         `json:"created,omitzero"`
	Tags       map[string]string `json:"tags,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"` // what only this type has: "shape", "image", "data_volumes"
}

// MetricQuery selects points of a series.
type MetricQuery struct {
	Names      []string
	Start, End time.Time
	Resolution time.Duration
}

// Series is one metric over time.
type Series struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit,omitempty"`
	Points []Point `json:"points"`
}

// Point is one value of a Series.
type Point struct {
	At    time.Time `json:"at"`
	Value float64   `json:"value"`
}
