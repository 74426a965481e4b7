package oci

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// copyWorld has the object logs/src, whose copies take so long.
func copyWorld(t *testing.T, took time.Duration) (*world, backend.Location, backend.Object) {
	t.Helper()
	w := newWorld(t, ocisim.Options{Timings: ocisim.Timings{Copy: took}})
	src, err := w.storage(t, "logs").Put(t.Context(), "src", []byte("bytes"), backend.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return w, w.location("logs", "src"), src
}

func TestCopyThatNobodyWaitsForIsCanceled(t *testing.T) {
	w, from, src := copyWorld(t, time.Hour)
	s := w.storage(t, "archive")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := s.Copy(ctx, from, src.Version, "copy", backend.CopyOptions{}); !errors.Is(err, backend.Canceled) {
		t.Errorf("%v", err)
	}
	if n := w.sim.Log().Count("CancelWorkRequest"); n != 1 {
		t.Errorf("canceled %d times", n)
	}
	requests := w.sim.Log().All()
	if last := requests[len(requests)-1]; last.Operation != "GetWorkRequest" {
		t.Errorf("it was not waited for the end: %+v", last)
	}
	if _, err := s.Stat(t.Context(), "copy"); !errors.Is(err, backend.NotFound) {
		t.Errorf("the copy: %v", err)
	}
}

func TestCopyOutlivesAnswersThatFail(t *testing.T) {
	w, from, src := copyWorld(t, 200*time.Millisecond)
	fault := ocisim.Fault{Match: ocisim.Match{Operation: "GetWorkRequest", Times: deafAnswers}, Effect: ocisim.Effect{Status: 503, Code: "ServiceUnavailable"}}
	w.sim.Faults().Add(fault)
	s := w.storage(t, "archive")
	if _, err := s.Copy(t.Context(), from, src.Version, "copy", backend.CopyOptions{}); err != nil {
		t.Errorf("%v", err)
	}
	if n := w.sim.Log().Count("CopyObject"); n != 1 {
		t.Errorf("%d copies were begun", n)
	}
	w.sim.Faults().Reset()
	fault.Match.Times = deafAnswers + 1
	w.sim.Faults().Add(fault)
	if _, err := s.Copy(t.Context(), from, src.Version, "again", backend.CopyOptions{}); !errors.Is(err, backend.Unavailable) {
		t.Errorf("a service that does not answer: %v", err)
	}
	if n := w.sim.Log().Count("CancelWorkRequest"); n != 1 {
		t.Errorf("canceled %d times", n)
	}
}

func TestCopyAlwaysNamesTheVersionOfItsSource(t *testing.T) {
	w, from, src := copyWorld(t, 50*time.Millisecond)
	s := w.storage(t, "archive")
	replaced := make(chan error, 1)
	go func() { // while the copy is under way
		for w.sim.Log().Count("CopyObject") == 0 {
			<-time.After(time.Millisecond)
		}
		_, err := w.storage(t, "logs").Put(context.WithoutCancel(t.Context()), "src", []byte("other"), backend.PutOptions{})
		replaced <- err
	}()
	_, err := s.Copy(t.Context(), from, "", "copy", backend.CopyOptions{})
	if putErr := <-replaced; putErr != nil {
		t.Fatal(putErr)
	}
	if !errors.Is(err, backend.Unavailable) {
		t.Errorf("a source that is replaced meanwhile: %v", err)
	}
	if _, err := s.Copy(t.Context(), from, src.Version, "copy", backend.CopyOptions{}); !errors.Is(err, backend.Changed) {
		t.Errorf("a version that was replaced: %v", err)
	}
}

func TestCopySaysWhatTheServiceMayNot(t *testing.T) {
	w, from, src := copyWorld(t, 10*time.Millisecond)
	s := w.storage(t, "archive")
	w.sim.Faults().Add(ocisim.Fault{Match: ocisim.Match{Operation: "CopyObject", Times: 1}, Effect: ocisim.Effect{Status: 400, Code: codeNoServicePolicy}})
	_, err := s.Copy(t.Context(), from, src.Version, "copy", backend.CopyOptions{})
	if !errors.Is(err, backend.Forbidden) || !strings.Contains(err.Error(), "Allow service objectstorage-us-phoenix-1 to manage object-family in compartment") {
		t.Errorf("without a policy: %v", err)
	}
	if err := w.archive(t, "logs", "src"); err != nil {
		t.Fatal(err)
	}
	_, err = s.Copy(t.Context(), from, src.Version, "copy", backend.CopyOptions{})
	if !errors.Is(err, backend.Invalid) || !strings.Contains(err.Error(), "restore it first") || !strings.Contains(err.Error(), "work request ") {
		t.Errorf("of an archived object: %v", err)
	}
}

// TestAccountsAreJoinedByUser looks at whose objects count as copied by the service.
func TestAccountsAreJoinedByUser(t *testing.T) {
	w, from, src := copyWorld(t, 10*time.Millisecond)
	w.config.Scheme = "dr"
	there := w.provider(t)
	w.config.Scheme = "cold"
	w.config.StorageTier = "infrequent_access"
	cold := w.provider(t)
	w.config.Scheme, w.config.UserOCID = "other", userOCID
	other := w.provider(t)
	Join(there, cold, other)
	s, _, err := cold.Open(w.location("archive", ""))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.Info().CopyFrom, " "); got != "cold dr" {
		t.Errorf("copies from %q", got)
	}
	from.Scheme = "dr"
	if o, err := s.Copy(t.Context(), from, src.Version, "copy", backend.CopyOptions{}); err != nil || o.Tier != "InfrequentAccess" {
		t.Errorf("%+v, %v", o, err)
	}
	from.Scheme = "other"
	if _, err := s.Copy(t.Context(), from, src.Version, "copy", backend.CopyOptions{}); !errors.Is(err, backend.Unsupported) {
		t.Errorf("of another user: %v", err)
	}
}

// TestSessionsAreJoinedByTheirProfile has two sessions, of which nothing tells whose they are, and each in two regions.
func TestSessionsAreJoinedByTheirProfile(t *testing.T) {
	f := newFolder(t)
	session := func(name, token string) string {
		return "[" + name + "]\ntenancy=" + tenancyOCID + "\nregion=phx\nfingerprint=" + f.print + "\nkey_file=" + f.key +
			"\nsecurity_token_file=" + f.write(t, token, token+".token") + "\n"
	}
	file := f.write(t, "config", session("MINE", "mine")+session("THEIRS", "theirs"))
	open := func(scheme, profile, region string) *Provider {
		p, err := New(Config{ConfigFile: file, Profile: profile, Region: region, Scheme: scheme, Endpoint: "http://127.0.0.1:1"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		return p
	}
	mine, east, theirs := open("oci", "MINE", ""), open("dr", "MINE", "us-ashburn-1"), open("theirs", "THEIRS", "")
	Join(mine, east, theirs)
	for p, want := range map[*Provider]string{mine: "dr oci", east: "dr oci", theirs: "theirs"} {
		if got := strings.Join(p.copyFrom(), " "); got != want {
			t.Errorf("%s copies from %q, want %q", p.scheme, got, want)
		}
	}
}
