package backendtest

import (
	"context"
	"hash/fnv"
	"strings"
	"sync"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// The operations that a Rule names and that Calls counts: the Op of the errors of Mem and MemCompute.
const (
	OpStat           = "stat"
	OpRead           = "read"
	OpPut            = "put"
	OpCreateUpload   = "create upload"
	OpUploadPart     = "upload part"
	OpListParts      = "list parts"
	OpCompleteUpload = "complete upload"
	OpAbortUpload    = "abort upload"
	OpList           = "list"
	OpListUploads    = "list uploads"
	OpCopy           = "copy"
	OpDelete         = "delete"
	OpBrowse         = "browse"
	OpVersions       = "list versions"
	OpRestore        = "restore"
	OpDeleteAll      = "delete all"
	OpSpace          = "look for space"
	OpCreate         = "create container"
	OpLifecycle      = "read lifecycle"
	OpSetLifecycle   = "set lifecycle"

	OpCheckExports = "check exports"
	OpStartExport  = "start export"
	OpFindExport   = "find export"
	OpPollExport   = "poll export"
	OpEndExport    = "end export"
)

// Rule says which calls go wrong and how. The first four fields select calls; of those, Nth, Every, Probability and Times
// pick the ones that it fires on, all of them if none is set. The rest says what happens.
type Rule struct {
	Op   string // one of the Op constants; any if empty
	Key  string // the key or prefix, with * for any run of bytes; any if empty. For MemCompute the instance or job.
	Part int    // the part's number; any if zero
	When func(ctx context.Context, key string) bool

	Nth         int     // only the nth selected call, counted from 1
	Every       int     // every nth
	Probability float64 // this share, decided by the seed, the call and how often that same call came before
	Times       int     // no more than so many times; zero is no limit

	Do       func()        // called first
	Delay    time.Duration // wait, or until the context ends: then nothing takes effect and the error is the context's
	Hang     bool          // wait until the context ends
	After    bool          // what follows happens after the effect: an Err is then a lost answer
	Err      error         // returned; a bare Kind becomes an *Error
	Truncate int           // a read gives only so many bytes and fails, with Err if set; a list ends so after so many values
	Corrupt  bool          // one bit is flipped: of a read after it, of a part or put before it
	Late     bool          // a part is sent once more right before its upload is completed; with Err only then
}

// script decides which rule fires on a call, and counts. It is shared by Faults and MemCompute.
type script struct {
	mu    sync.Mutex
	calls map[string]int
	seen  []int            // selected calls per rule
	fired []int            // per rule
	same  map[uint64]int64 // calls of one identity per rule with Probability
}

type call struct {
	op, key string
	n       int64 // part number or offset: what tells calls on one key apart
}

// begin counts the call and returns the rules that fire on it.
func (s *script) begin(ctx context.Context, c call, seed uint64, rules []Rule) []*Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls == nil {
		s.calls = map[string]int{}
		s.same = map[uint64]int64{}
	}
	for len(s.seen) < len(rules) {
		s.seen, s.fired = append(s.seen, 0), append(s.fired, 0)
	}
	s.calls[c.op]++
	var firing []*Rule
	for i := range rules {
		r := &rules[i]
		if !r.selects(ctx, c) {
			continue
		}
		s.seen[i]++
		if s.fires(i, r, c, seed) {
			s.fired[i]++
			firing = append(firing, r)
		}
	}
	return firing
}

func (r *Rule) selects(ctx context.Context, c call) bool {
	return (r.Op == "" || r.Op == c.op) &&
		(r.Key == "" || matchKey(r.Key, c.key)) &&
		(r.Part == 0 || c.op == OpUploadPart && int64(r.Part) == c.n) &&
		(r.When == nil || r.When(ctx, c.key))
}

func (s *script) fires(i int, r *Rule, c call, seed uint64) bool {
	if r.Times > 0 && s.fired[i] >= r.Times {
		return false
	}
	if r.Nth > 0 && s.seen[i] != r.Nth || r.Every > 0 && s.seen[i]%r.Every != 0 {
		return false
	}
	if r.Probability == 0 {
		return true
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(c.op + "\x00" + c.key))
	id := mix(h.Sum64() ^ mix(uint64(c.n)^mix(uint64(i+1))))
	s.same[id]++
	return float64(mix(seed^mix(id^uint64(s.same[id])))>>11)/(1<<53) < r.Probability
}

// matchKey reports whether key matches pattern, in which * stands for any run of bytes, slashes too.
func matchKey(pattern, key string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == key
	}
	if !strings.HasPrefix(key, head) {
		return false
	}
	key = key[len(head):]
	for {
		if matchKey(rest, key) {
			return true
		}
		if key == "" {
			return false
		}
		key = key[1:]
	}
}

// run makes one call under the rules that fire on it: those before the effect, the effect, those after it.
func (c call) run(ctx context.Context, firing []*Rule, effect func() error) error {
	for _, r := range firing {
		if r.After || r.Truncate > 0 {
			continue
		}
		if err := r.act(ctx, c); err != nil {
			return err
		}
	}
	if err := effect(); err != nil {
		return err
	}
	for _, r := range firing {
		if !r.After || r.Truncate > 0 {
			continue
		}
		if err := r.act(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// act waits as the rule says and returns its error.
func (r *Rule) act(ctx context.Context, c call) error {
	if r.Do != nil {
		r.Do()
	}
	if r.Delay > 0 {
		timer := time.NewTimer(r.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if r.Hang {
		<-ctx.Done()
	}
	if err := ctx.Err(); err != nil && (r.Delay > 0 || r.Hang) {
		return fail(c.op, c.key, backend.KindOf(err), err)
	}
	return r.error(c)
}

func (r *Rule) error(c call) error {
	if kind, ok := r.Err.(backend.Kind); ok { //nolint:errorlint // a Kind inside an *Error is left as it is
		return fail(c.op, c.key, kind, errInjected)
	}
	return r.Err
}

func (s *script) count(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[op]
}

func (s *script) firedTimes(rule int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rule >= len(s.fired) {
		return 0
	}
	return s.fired[rule]
}
