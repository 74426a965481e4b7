#!/bin/sh
# Writes the Go code of backend.proto beside it. The generators have the versions of tools.mod; which protoc reads the
# file does not matter and is not written down, so that two machines write the same bytes.
set -eu

if ! command -v protoc >/dev/null 2>&1; then
	echo "protoc is missing: apt install protobuf-compiler, or brew install protobuf" >&2
	exit 1
fi
tools=$(go env GOMOD)
tools=${tools%go.mod}tools.mod
protoc --proto_path=. \
	--plugin="protoc-gen-go=$(go tool -modfile="$tools" -n protoc-gen-go)" --go_out=paths=source_relative:. \
	--plugin="protoc-gen-go-grpc=$(go tool -modfile="$tools" -n protoc-gen-go-grpc)" --go-grpc_out=paths=source_relative:. \
	backend.proto
for name in backend.pb.go backend_grpc.pb.go; do
	sed '/^\/\/.*[[:space:]]protoc[[:space:]]*v/d' "$name" >"$name.tmp"
	mv "$name.tmp" "$name"
done
