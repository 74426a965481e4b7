package ocisim

import (
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// Fault is a rule of a FaultPlan: which requests, and what happens to them. Of Match, empty fields match everything.
type Fault struct {
	Match  Match
	Effect Effect
}

// Match selects requests.
type Match struct {
	Operation   string  // name in the SDK, such as UploadPart
	Method      string  // GET, PUT, ...
	Path        string  // part of the escaped path
	Query       string  // part of the raw query between two &, such as &uploadPartNum=3&
	Nth         int     // only the nth request that the fields above select, counting from 1; 0 is every one
	Probability float64 // 0 is always; the choice follows from Seed alone
	Seed        uint64
	Times       int // how often the fault strikes at most; 0 is without end
}

// Effect is what happens to a selected request. Fields may be combined.
type Effect struct {
	// Instead of the operation:
	Status      int           // answer with this status
	Code        string        // and this code, such as TooManyRequests; "" is one that suits the status
	Message     string        //
	RetryAfter  time.Duration // and a Retry-After header; it goes with any answer
	ResetBefore bool          // reset the connection before anything is done

	// While the request's body is read:
	ResetRequestAt int64 // reset the connection after so many bytes of it

	// After the operation was done:
	ResetAfter bool // reset the connection instead of answering
	LoseAnswer bool // close the connection without an answer

	// On the way:
	Stall          time.Duration // wait so long before answering, on the simulator's clock
	StallAt        int64         // with Stall: wait after so many bytes of the answer's body instead
	BytesPerSecond int64         // pace of the bodies of request and answer
	TruncateAt     int64         // close the connection after so many bytes of the answer's body
	CorruptByte    int64         // invert this byte, counting from 1, of the body: the request's of PUT and POST, else the answer's
	WrongChecksum  bool          // falsify the checksum headers of the answer

	// Of single operations:
	LateDuplicate time.Duration // PutObject, UploadPart: the same body arrives again after so long, as a retry that overtook its first attempt
	LateListed    time.Duration // UploadPart: lists of parts show the part only after so long; it can be committed at once
	ShortPage     bool          // lists: a page of at most PageItems items, which may be 0, with a token for the rest
	PageItems     int
}

// BucketNotFound is the spurious 404 on a bucket that exists.
func BucketNotFound() Effect {
	return Effect{Status: 404, Code: "BucketNotFound", Message: "Either the bucket does not exist in the namespace or you are not authorized to access it."}
}

// FaultPlan is a list of faults. The first that strikes a request is the only one that does. It is safe for concurrent use.
type FaultPlan struct {
	mu    sync.Mutex
	rules []*rule
}

type rule struct {
	Fault
	seen   int // requests selected so far
	struck int
	random *rand.Rand
}

// Add appends a fault. Counting begins now.
func (p *FaultPlan) Add(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(p.rules, &rule{Fault: f, random: rand.New(rand.NewPCG(f.Match.Seed, 0x6f636973696d))})
}

// Reset removes all faults.
func (p *FaultPlan) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = nil
}

// Struck returns how often any fault struck since the last Reset.
func (p *FaultPlan) Struck() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, r := range p.rules {
		n += r.struck
	}
	return n
}

// pick returns the effect on a request, or nil.
func (p *FaultPlan) pick(c *call) *Effect {
	p.mu.Lock()
	defer p.mu.Unlock()
	var effect *Effect
	for _, r := range p.rules {
		if r.strikes(c, effect == nil) {
			r.struck++
			effect = &r.Effect
		}
	}
	return effect
}

// strikes counts the request, also if another fault strikes it already.
func (r *rule) strikes(c *call, free bool) bool {
	m := r.Match
	if m.Operation != "" && m.Operation != c.op.name || m.Method != "" && m.Method != c.r.Method {
		return false
	}
	if !strings.Contains(c.r.URL.EscapedPath(), m.Path) || !strings.Contains("&"+c.r.URL.RawQuery+"&", m.Query) {
		return false
	}
	r.seen++
	if m.Probability > 0 && r.random.Float64() >= m.Probability {
		return false
	}
	return free && (m.Nth == 0 || m.Nth == r.seen) && (m.Times == 0 || r.struck < m.Times)
}
