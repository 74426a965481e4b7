package oci

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// BenchmarkDelete removes a thousand objects one after the other, sixteen at a time, and in one request, at a service that
// is 20 ms away.
func BenchmarkDelete(b *testing.B) {
	const objects, away = 1000, 20 * time.Millisecond
	for _, way := range []struct {
		name   string
		remove func(b *testing.B, w *world, s backend.Storage, all []backend.Object)
	}{
		{"one-by-one", func(b *testing.B, _ *world, s backend.Storage, all []backend.Object) { removeBy(b, s, all, 1) }},
		{"sixteen", func(b *testing.B, _ *world, s backend.Storage, all []backend.Object) { removeBy(b, s, all, 16) }},
		{"batch", removeInOne},
	} {
		b.Run(way.name, func(b *testing.B) {
			w := newWorld(b, ocisim.Options{})
			s := w.storage(b, "archive")
			for b.Loop() {
				b.StopTimer()
				w.sim.Faults().Reset()
				var all []backend.Object
				for i := range objects {
					o, err := s.Put(b.Context(), fmt.Sprint(i), nil, backend.PutOptions{})
					if err != nil {
						b.Fatal(err)
					}
					all = append(all, o)
				}
				for _, op := range []string{"DeleteObject", "BatchDeleteObjects"} {
					w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: op}, Effect: ocisim.Effect{Stall: away}})
				}
				b.StartTimer()
				way.remove(b, w, s, all)
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N)/objects, "ms/object")
		})
	}
}

func removeBy(b *testing.B, s backend.Storage, all []backend.Object, workers int) {
	next := make(chan backend.Object)
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for o := range next {
				if err := s.Delete(b.Context(), o); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for _, o := range all {
		next <- o
	}
	close(next)
	running.Wait()
}

func removeInOne(b *testing.B, _ *world, s backend.Storage, all []backend.Object) {
	if err := errors.Join(s.DeleteAll(b.Context(), all)...); err != nil {
		b.Fatal(err)
	}
}
