package ocisim

func identityOperations() []operation { return nil }
