package transfer

import (
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// Checkpoint is what a multipart Copy left behind and what a later one continues from. It is the sum of the Notes that
// the earlier one gave. Only what the destination confirms by ListParts is reused.
type Checkpoint struct {
	Source backend.Object // the version that the parts were read from
	Begun  time.Time      // when the upload was about to be created
	Upload backend.Upload // zero if the process died before it knew
	Parts  map[int]backend.Part
	Hashed int    // so many parts from the first on are in Hash
	Hash   []byte // state of the SHA-256
}

// Note is one change of a Checkpoint; exactly one field is set. It is plain data for a journal.
type Note struct {
	Begin  *Begin          `json:"begin,omitempty"`
	Upload *backend.Upload `json:"upload,omitempty"`
	Part   *backend.Part   `json:"part,omitempty"`
	Hash   *Hash           `json:"hash,omitempty"`
}

// Begin says that an upload is about to be created. It must be durable before Note returns: if the process then dies, the
// upload is found again by its key and this time.
type Begin struct {
	Source backend.Object `json:"source"`
	Time   time.Time      `json:"time"`
}

// Hash is the state of the SHA-256 after the first Parts parts.
type Hash struct {
	Parts int    `json:"parts"`
	State []byte `json:"state"`
}

// Durable reports whether the note must be on disk before work goes on. Losing another costs only that a part is sent
// again.
func (n Note) Durable() bool { return n.Begin != nil || n.Upload != nil }

// Apply adds a note to the checkpoint.
func (c *Checkpoint) Apply(n Note) {
	switch {
	case n.Begin != nil:
		*c = Checkpoint{Source: n.Begin.Source, Begun: n.Begin.Time}
	case n.Upload != nil:
		c.Upload = *n.Upload
	case n.Part != nil:
		if c.Parts == nil {
			c.Parts = map[int]backend.Part{}
		}
		c.Parts[n.Part.Number] = *n.Part
	case n.Hash != nil && n.Hash.Parts > c.Hashed:
		c.Hashed, c.Hash = n.Hash.Parts, n.Hash.State
	}
}

func (c *Checkpoint) bytes() int64 {
	var sum int64
	for _, p := range c.Parts {
		sum += p.Size
	}
	return sum
}
