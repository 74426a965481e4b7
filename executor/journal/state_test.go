package journal

import (
	"path/filepath"
	"reflect"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/transfer"
)

func TestStateFollowsTheRecords(t *testing.T) {
	j, err := Create(filepath.Join(t.TempDir(), "runs", "r1"), head)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	write := func(rec Record) {
		t.Helper()
		if err := j.Write(rec, false); err != nil {
			t.Fatal(err)
		}
	}
	all := records()
	to := at("b/1")

	if got := j.Run(); got.ID != "r1" || got.Version != version || !got.Started.Equal(begun) {
		t.Errorf("run is %+v", got)
	}
	if _, ok := j.Export("export.web"); ok {
		t.Error("an export before it began")
	}
	write(all[0])
	if e, ok := j.Export("export.web"); !ok || e.Job != "" || e.Request.Token != "t1" {
		t.Errorf("after the intent: %+v, %v", e, ok)
	}
	write(all[1])
	if e, _ := j.Export("export.web"); e.Job != "job/1" || e.Released {
		t.Errorf("after the start: %+v", e)
	}
	if j.Checkpoint(to) != nil {
		t.Error("a checkpoint before anything began")
	}
	write(all[2])
	if c := j.Checkpoint(to); c == nil || c.Source.Version != "v1" || !c.Begun.Equal(begun) || c.Upload.ID != "" {
		t.Errorf("after the beginning: %+v", c)
	}
	write(all[3])
	write(all[4])
	write(all[5])
	c := j.Checkpoint(to)
	if c.Upload.ID != "u1" || len(c.Parts) != 1 || c.Hashed != 1 || string(c.Hash) != "state\n\x00" {
		t.Errorf("with a part: %+v", c)
	}
	c.Parts[7] = backend.Part{}
	if len(j.Checkpoint(to).Parts) != 1 {
		t.Error("a caller changed the state")
	}
	exports, uploads := j.State().Litter()
	if len(exports) != 1 || exports[0].Job != "job/1" || !reflect.DeepEqual(uploads, []backend.Location{to}) {
		t.Errorf("litter is %+v, %v", exports, uploads)
	}
	write(note("b/1", transfer.Note{Begin: &transfer.Begin{Source: backend.Object{Version: "v2"}, Time: begun}}))
	if c := j.Checkpoint(to); c.Upload.ID != "" || c.Parts != nil || c.Source.Version != "v2" {
		t.Errorf("a new beginning keeps of the old one: %+v", c)
	}
	write(all[6])
	if obj, ok := j.Item(to); !ok || obj.Version != "v9" || j.Checkpoint(to) != nil {
		t.Errorf("finished: %+v, %v, %+v", obj, ok, j.Checkpoint(to))
	}
	write(all[7])
	odd := at("b/odd\nname \u2028 \"")
	if j.Checkpoint(odd) == nil {
		t.Error("an odd name is not found")
	}
	write(all[8])
	if _, ok := j.Item(odd); ok || j.Checkpoint(odd) != nil {
		t.Error("a dropped item is still there")
	}
	write(all[9])
	if exports, uploads := j.State().Litter(); len(exports)+len(uploads) != 0 {
		t.Errorf("litter is %v, %v", exports, uploads)
	}
	if j.Finished("export.web", "d1") {
		t.Error("finished before it ended")
	}
	write(all[10])
	if !j.Finished("export.web", "d1") || j.Finished("export.web", "d2") || j.Finished("other", "d1") || j.Finished("other", "") {
		t.Error("finished steps are wrong")
	}
	if j.State().Ended {
		t.Error("ended too early")
	}
	write(all[11])
	if !j.State().Ended {
		t.Error("not ended")
	}
}

func TestLitterIsSorted(t *testing.T) {
	s := newState()
	for _, name := range []string{"c", "a", "b"} {
		s.apply(Record{Export: &Export{Step: name}})
		s.apply(note(name, transfer.Note{Begin: &transfer.Begin{}}))
	}
	s.apply(Record{Export: &Export{Step: "b", Released: true}})
	exports, uploads := s.Litter()
	if len(exports) != 2 || exports[0].Step != "a" || exports[1].Step != "c" {
		t.Errorf("exports are %+v", exports)
	}
	if want := []backend.Location{at("a"), at("b"), at("c")}; !reflect.DeepEqual(uploads, want) {
		t.Errorf("uploads are %v", uploads)
	}
}
