package ocisim

// identityState is the part of the state that identity owns.
type identityState struct{}
