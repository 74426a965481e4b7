package ocisim

func computeOperations() []operation { return nil }

// resumeCompute takes up asynchronous work that the last process left. The caller holds s.mu.
func (s *Server) resumeCompute() {}
