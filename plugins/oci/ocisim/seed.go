package ocisim

// Seed is what a new simulator contains.
type Seed struct{}

// applySeed fills an empty state; nil is the default seed. The caller holds s.mu.
func (s *Server) applySeed(seed *Seed) error { return nil }
