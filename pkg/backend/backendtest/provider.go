package backendtest

import (
	"errors"
	"strings"
	"sync"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// MemProvider is a Provider of containers in memory. The first element of a location's path names the container:
// "mem://container/key". A container is made when it is first opened, with the provider's options. Set the fields before
// the first call.
type MemProvider struct {
	Options MemOptions                                                // of every container; Name is set to the container's
	Wrap    func(container string, s backend.Storage) backend.Storage // what Open returns, if set: the place for Faults
	Exports *MemCompute                                               // what Compute returns; Unsupported if nil

	mu         sync.Mutex
	containers map[string]*Mem
}

var _ backend.Provider = (*MemProvider)(nil)

// NewMemProvider returns a provider without containers and with an empty MemCompute that stages in them.
func NewMemProvider() *MemProvider {
	p := &MemProvider{}
	p.Exports = NewMemCompute(p)
	return p
}

// Describe says that this is memory.
func (p *MemProvider) Describe() backend.Description {
	return backend.Description{Name: "mem", Version: "1"}
}

// Container returns the container of that name, bare of what Wrap puts around it.
func (p *MemProvider) Container(name string) *Mem {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m, ok := p.containers[name]; ok {
		return m
	}
	o := p.Options
	o.Name = name
	m := NewMem(o)
	m.peers = p.Container
	if p.containers == nil {
		p.containers = map[string]*Mem{}
	}
	p.containers[name] = m
	return m
}

// Open returns the container that loc names.
func (p *MemProvider) Open(loc backend.Location) (backend.Storage, string, error) {
	name, key, _ := strings.Cut(loc.Path, "/")
	if name == "" {
		return nil, "", fail("open", loc.String(), backend.Invalid, errors.New("no container is named: mem://container/key"))
	}
	var s backend.Storage = p.Container(name)
	if p.Wrap != nil {
		s = p.Wrap(name, s)
	}
	return s, key, nil
}

// Compute returns Exports.
func (p *MemProvider) Compute() (backend.Compute, error) {
	if p.Exports == nil {
		return nil, fail("compute", "mem", backend.Unsupported, nil)
	}
	return p.Exports, nil
}

// Inventory is not there.
func (p *MemProvider) Inventory() (backend.Inventory, error) {
	return nil, fail("inventory", "mem", backend.Unsupported, nil)
}

// Close keeps everything: there is nothing to release.
func (p *MemProvider) Close() error { return nil }
