package ocisim

// objectStorageState is the part of object storage that the state keeps: all but objects and uploads.
type objectStorageState struct{}

func objectStorageOperations() []operation { return nil }

// resumeCopies takes up copies that the last process left. The caller holds s.mu.
func (s *Server) resumeCopies() {}

// putObjectFile moves the file at path into a bucket of the tenancy's namespace as the object name, replacing an older one at
// once. The file must be on the file system of Dir, and nobody may write to it. It takes s.mu: the caller must not hold it.
func (s *Server) putObjectFile(bucket, name, path string, meta map[string]string) error { return nil }

// store keeps objects and uploads.
type store struct{}

func openStore(dir string) (*store, error) { return &store{}, nil }
func (*store) close() error                { return nil }
