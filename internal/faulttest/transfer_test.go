package faulttest

import (
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/plugins/oci/ocisim"
)

// fault is one row of a table.
type fault struct {
	name   string
	effect ocisim.Effect
	times  int  // 0 is for ever
	alike  bool // another row is of the same kind
	want
}

// refusal is an answer that says no, in the service's own form.
func refusal(status int, code string) ocisim.Effect {
	return ocisim.Effect{Status: status, Code: code, Message: "No, says the simulator."}
}

// passing are faults that are survived when they happen once, and that end the run as temporary when they stay.
func passing() []fault {
	var all []fault
	for _, f := range []fault{
		{name: "reset before", effect: ocisim.Effect{ResetBefore: true}, want: want{kind: backend.Offline}},
		{name: "reset after", effect: ocisim.Effect{ResetAfter: true}, want: want{kind: backend.Offline, done: true}},
		{name: "lost answer", effect: ocisim.Effect{LoseAnswer: true}, want: want{kind: backend.Offline, done: true}},
		{name: "409 IncorrectState", effect: refusal(409, "IncorrectState"), want: want{kind: backend.Busy}},
		{name: "429", alike: true, effect: refusal(429, "TooManyRequests"), want: want{kind: backend.Throttled}},
		{name: "500", alike: true, effect: refusal(500, "InternalServerError"), want: want{kind: backend.Unavailable}},
		{name: "502", alike: true, effect: refusal(502, "BadGateway"), want: want{kind: backend.Unavailable}},
		{name: "503", effect: refusal(503, "ServiceUnavailable"), want: want{kind: backend.Unavailable}},
		{name: "504", alike: true, effect: refusal(504, "GatewayTimeout"), want: want{kind: backend.Unavailable}},
		{name: "BucketNotFound", effect: ocisim.BucketNotFound(), want: want{kind: backend.Unavailable}},
	} {
		once, always := f, f
		once.name, once.times, once.want = f.name+" once", 1, want{tries: 2}
		always.code, always.tries = 5, attempts
		all = append(all, once, always)
	}
	return all
}

// final are answers that no repetition changes.
func final() []fault {
	return []fault{
		{name: "401", effect: refusal(401, "NotAuthenticated"), want: want{code: 6, kind: backend.Unauthorized, tries: 1}},
		{name: "403", effect: refusal(403, "NotAllowed"), want: want{code: 6, kind: backend.Forbidden, tries: 1}},
		{name: "404 NotAuthorizedOrNotFound", effect: refusal(404, "NotAuthorizedOrNotFound"), want: want{code: 6, kind: backend.NotFound, tries: 1}},
		{name: "409 NotRestored", effect: refusal(409, "NotRestored"), want: want{code: 1, kind: backend.Invalid, tries: 1}},
		{name: "412", effect: refusal(412, "IfMatchFailed"), want: want{code: 1, kind: backend.Changed, tries: 1}},
		{name: "413", effect: refusal(413, "RequestEntityTooLarge"), want: want{code: 1, kind: backend.Invalid, tries: 1}},
	}
}

// damaging are faults of the bytes themselves, by the way they happen on.
func damaging() map[string][]fault {
	corrupt := func(tries int) want { return want{code: 12, kind: backend.Corrupt, tries: tries} }
	cut := want{code: 5, kind: backend.Offline, tries: attempts}
	wholeWrong := want{code: 12, kind: backend.Corrupt, tries: 1, noRequest: true} // found when all parts are there
	return map[string][]fault{
		"upload small": {
			{name: "corrupted once", effect: ocisim.Effect{CorruptByte: 77}, times: 1, want: want{tries: 2}},
			{name: "corrupted", effect: ocisim.Effect{CorruptByte: 77}, want: corrupt(3)},
			{name: "request cut once", effect: ocisim.Effect{ResetRequestAt: 5000}, times: 1, want: want{tries: 2}},
			{name: "request cut", effect: ocisim.Effect{ResetRequestAt: 5000}, want: cut},
		},
		"upload parts": {
			{name: "corrupted once", effect: ocisim.Effect{CorruptByte: 77}, times: 1, want: want{tries: 2}},
			{name: "corrupted", effect: ocisim.Effect{CorruptByte: 77}, want: corrupt(3)},
			{name: "wrong checksum once", effect: ocisim.Effect{WrongChecksum: true}, times: 1, want: want{tries: 2}},
			{name: "wrong checksum", effect: ocisim.Effect{WrongChecksum: true}, want: corrupt(3)},
			{name: "request cut once", effect: ocisim.Effect{ResetRequestAt: 5000}, times: 1, want: want{tries: 2}},
			{name: "request cut", effect: ocisim.Effect{ResetRequestAt: 5000}, want: cut},
		},
		"end upload": {
			{name: "wrong checksum", effect: ocisim.Effect{WrongChecksum: true}, want: want{code: 12, kind: backend.Corrupt, tries: 1, lost: true}},
		},
		"download small": {
			{name: "truncated once", effect: ocisim.Effect{TruncateAt: 5000}, times: 1, want: want{tries: 2}},
			{name: "truncated", effect: ocisim.Effect{TruncateAt: 5000}, want: cut},
			{name: "corrupted", effect: ocisim.Effect{CorruptByte: 77}, want: corrupt(1)},
			{name: "wrong checksum", effect: ocisim.Effect{WrongChecksum: true}, want: corrupt(1)},
		},
		"download parts": {
			{name: "truncated once", effect: ocisim.Effect{TruncateAt: 5000}, times: 1, want: want{tries: 2}},
			{name: "truncated", effect: ocisim.Effect{TruncateAt: 5000}, want: cut},
			{name: "corrupted once", effect: ocisim.Effect{CorruptByte: 77}, times: 1, want: wholeWrong},
			{name: "corrupted", effect: ocisim.Effect{CorruptByte: 77}, want: wholeWrong},
		},
	}
}

// TestTransfers lets every fault happen on every way.
func TestTransfers(t *testing.T) {
	t.Parallel()
	own := damaging()
	n := 0
	for _, x := range ways() {
		for _, f := range append(append(passing(), final()...), own[x.name]...) {
			if f.alike && (x.name == "begin upload" || x.name == "end upload") {
				continue // it is handled as the others of its kind
			}
			n++
			fresh, asJSON := n%2 == 0, n/2%2 == 0
			t.Run(x.name+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				x.run(t, f, fresh, asJSON)
			})
		}
	}
}

// resumable reports whether the next run goes on with what is left of one that failed so.
func (f want) resumable() bool {
	return f.kind.Temporary() || f.kind == backend.Unauthorized || f.kind == backend.Forbidden
}

// run lets the fault happen, then runs the command again without it.
func (x way) run(t *testing.T, f fault, fresh, asJSON bool) {
	w := newWorld(t, ocisim.Options{})
	old := []byte("what was there before")
	if fresh {
		old = nil
	}
	content := x.prepare(w, old)
	x.strike(w, f.effect, f.times)
	first := w.apply(asJSON)
	struck := w.sim.Faults().Struck()
	w.calm()
	if struck == 0 {
		t.Fatalf("the fault did not happen\n%s%s", first.stderr, first.stdout)
	}
	x.check(t, first, f.want)
	x.checkDestination(t, w, content, old, f.want)
	checkLeft(t, w, f.resumable())
	if f.code == 0 {
		return
	}
	if again := w.apply(!asJSON); again.code != 0 {
		t.Fatalf("without the fault: exit code %d\n%s%s", again.code, again.stderr, again.stdout)
	}
	x.checkDestination(t, w, content, old, want{})
	checkLeft(t, w, false)
}
