#!/bin/sh
# Fails if go generate would change a file. It works on a copy, so nothing here is touched.
set -eu

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -co --exclude-standard | while IFS= read -r name; do
	[ ! -e "$name" ] || printf '%s\n' "$name"
done | tar -cf - -T - | tar -xf - -C "$copy"

cd "$copy"
git init -q
git add -A
go generate ./...
stale=$(git diff --name-only; git ls-files --others --exclude-standard)
if [ -n "$stale" ]; then
	echo "generated files are stale, run make generate:" >&2
	echo "$stale" >&2
	exit 1
fi
