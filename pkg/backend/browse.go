package backend

import (
	"context"
	"iter"
	"strings"
)

// Browse yields what is directly below prefix, as Storage.Browse does. Of a container that has no such request the whole
// listing under prefix is read and folded.
func Browse(ctx context.Context, c Catalog, can Capabilities, prefix string) iter.Seq2[Entry, error] {
	if can.Browse {
		return c.Browse(ctx, prefix)
	}
	return func(yield func(Entry, error) bool) {
		last := ""
		for o, err := range c.List(ctx, prefix) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			entry := Entry{Object: o}
			if below, _, ok := strings.Cut(o.Key[len(prefix):], "/"); ok {
				entry = Entry{Prefix: prefix + below + "/"}
				if entry.Prefix == last {
					continue
				}
				last = entry.Prefix
			}
			if !yield(entry, nil) {
				return
			}
		}
	}
}
