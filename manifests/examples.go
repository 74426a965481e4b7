package manifests

import (
	"embed"
	"io/fs"
)

//go:generate go test -run TestSchemaIsFresh -update .

//go:embed examples/*.yaml
var examples embed.FS

// Examples holds manifests to start from, as NAME.yaml at its root. Each is valid.
func Examples() fs.FS {
	sub, err := fs.Sub(examples, "examples")
	if err != nil {
		panic(err) // the name is a constant
	}
	return sub
}
