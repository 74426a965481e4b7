package ocisim

func (s *Server) seedBucket(name, compartment string) error { return nil }
func (s *Server) hasBucket(name string) bool                { return true }
func (s *Server) mayWrite(t *exportTarget) error            { return nil }
