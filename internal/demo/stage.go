package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

const (
	manifestName = "manifest.yaml"
	seedName     = "seed.json"
	staging      = "hx-staging"
	bucket       = "backup" // at the S3 server
)

// formats are those that the manifest asks for.
func formats() []string { return []string{"qcow2", "vmdk"} }

// exported are the instances that the manifest's selection means.
func exported() []string { return []string{"web-01", "web-02"} }

const seed = `{
  "compartments": [{"path": "acme/prod"}],
  "buckets": [{"name": "hx-staging", "compartment": "acme"}, {"name": "archive", "compartment": "acme"}],
  "instances": [
    {"name": "web-01", "compartment": "acme/prod", "disk_bytes": 134217728, "data_bytes": 50331648},
    {"name": "web-02", "compartment": "acme/prod", "disk_bytes": 100663296, "data_bytes": 33554432, "state": "STOPPED"},
    {"name": "db-01", "compartment": "acme/prod"}
  ]
}
`

const manifest = `version: 1
name: demo
backends:
  gw:
    plugin: s3
    endpoint: %[2]s
    access_key: {env: GW_ACCESS}
    secret_key: {env: GW_SECRET}
    keys: tree
exports:
  web:
    select: {compartment: acme/prod, name: "web-*", expect: {min: 2, max: 2}}
    formats: [qcow2, vmdk]
    staging: oci://%[1]s/hx-staging/
    to: ./images/
transfers:
  out:
    from: ./folder/
    to: gw://backup/folder/
  across:
    from: gw://backup/folder/
    to: oci://%[1]s/archive/folder/
    after: [out]
  back:
    from: oci://%[1]s/archive/folder/
    to: ./back/
    after: [across]
`

// prepare makes what the commands find: the seed of the simulator and a folder to copy.
func (d *demo) prepare() error {
	if err := os.WriteFile(filepath.Join(d.dir, seedName), []byte(seed), 0o600); err != nil {
		return err
	}
	random := rand.NewChaCha8(sha256.Sum256([]byte("folder")))
	sizes := map[string]int64{"disk.img": 40 << 20, "empty": 0, "names/größe 50 %.txt": 3000, "names/.hidden": 17}
	for n := range 20 {
		sizes[fmt.Sprintf("logs/2026/%02d.log", n+1)] = int64(n*n) * 1000
	}
	for name, size := range sizes {
		if err := writeRandom(filepath.Join(d.dir, "folder", filepath.FromSlash(name)), size, random); err != nil {
			return err
		}
	}
	return nil
}

func writeRandom(path string, size int64, random io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(f, random, size); err != nil {
		_ = f.Close() // the first error is the one to tell
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	// S3 tells times to the second. A file that is as young as its object could have changed since, and would be copied again.
	old := time.Now().Add(-time.Hour)
	return os.Chtimes(path, old, old)
}

// writeManifest writes the manifest for the simulator's namespace and the S3 server, and shows it.
func (d *demo) writeManifest() error {
	text := fmt.Sprintf(manifest, d.sim.Namespace, d.gateway.URL)
	fmt.Fprintf(d.out, "\n$ cat %s\n%s", manifestName, text)
	return os.WriteFile(filepath.Join(d.dir, manifestName), []byte(text), 0o600)
}
