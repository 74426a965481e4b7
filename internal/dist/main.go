// Program dist makes the files of a release: the command for each system, packed with licence and documents, and
// SHA256SUMS beside them. The same source, version, time and Go release give the same bytes, from any folder and on any
// machine, so that anybody can check what was published.
//
//	go run ./internal/dist -version v1.2.0 -time 1767225600
package main

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// systems are those a release is made for.
var systems = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}

// documents go into each archive.
var documents = []string{"LICENSE", "README.md", "CHANGELOG.md"}

// release says what to make.
type release struct {
	version string
	stamp   time.Time // of every file in the archives
	out     string    // folder, emptied first
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var r release
	seconds := flag.Int64("time", 0, "time of the files in the archives, in seconds since 1970")
	flag.StringVar(&r.version, "version", "dev", "version that the command reports")
	flag.StringVar(&r.out, "out", "dist", "folder to write to; it is emptied first")
	flag.Parse()
	r.stamp = time.Unix(*seconds, 0).UTC()
	if err := r.make(ctx); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

// make builds and packs for every system and writes SHA256SUMS last.
func (r release) make(ctx context.Context) error {
	if err := os.RemoveAll(r.out); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	fmt.Printf("hyperexport %s with %s\n", r.version, runtime.Version())
	var sums strings.Builder
	for _, system := range systems {
		packed, err := r.pack(ctx, system)
		if err != nil {
			return fmt.Errorf("%s: %w", system, err)
		}
		line := fmt.Sprintf("%x  %s\n", sha256.Sum256(packed.data), packed.name)
		fmt.Print(line)
		sums.WriteString(line)
		if err := os.WriteFile(filepath.Join(r.out, packed.name), packed.data, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(sums.String()), 0o644)
}

// pack returns the archive for one system.
func (r release) pack(ctx context.Context, system string) (file, error) {
	goos, goarch, _ := strings.Cut(system, "/")
	binary, err := r.build(ctx, goos, goarch)
	if err != nil {
		return file{}, err
	}
	name := fmt.Sprintf("hyperexport_%s_%s_%s", r.version, goos, goarch)
	command := file{name: "hyperexport", data: binary, mode: 0o755}
	if goos == "windows" {
		command.name += ".exe"
	}
	files := []file{command}
	for _, document := range documents {
		data, err := os.ReadFile(document)
		if err != nil {
			return file{}, err
		}
		files = append(files, file{name: document, data: data, mode: 0o644})
	}
	if goos == "windows" {
		data, err := zipped(name, files, r.stamp)
		return file{name: name + ".zip", data: data}, err
	}
	data, err := tarred(name, files, r.stamp)
	return file{name: name + ".tar.gz", data: data}, err
}

// build returns the command as an executable. What the caller's environment could change in it is set here.
func (r release) build(ctx context.Context, goos, goarch string) ([]byte, error) {
	folder, err := os.MkdirTemp("", "dist-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	out := filepath.Join(folder, "hyperexport")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly",
		"-ldflags", "-s -w -X main.version="+r.version, "-o", out, "./cmd/hyperexport")
	build.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0",
		"GOFLAGS=", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0", "GOFIPS140=off")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("go build: %w", err)
	}
	return os.ReadFile(out)
}
