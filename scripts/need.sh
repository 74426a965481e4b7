#!/bin/sh
# Makes sure that the named tools are there: installs what is missing where it may, on Debian as root, and otherwise
# says what to install. Usage: scripts/need.sh go cc git qemu-img
set -eu

package_of() {
	case $1 in
	qemu-img) echo qemu-utils ;;
	protoc) echo protobuf-compiler ;;
	cc) echo gcc ;;
	*) echo "$1" ;;
	esac
}

hint() {
	case $1 in
	go) echo "install Go 1.26 or later: https://go.dev/dl" ;;
	qemu-img) echo "apt install qemu-utils, dnf install qemu-img or brew install qemu" ;;
	protoc) echo "apt install protobuf-compiler, dnf install protobuf-compiler or brew install protobuf" ;;
	cc) echo "a C compiler for the race detector: apt install gcc libc6-dev, or set CC" ;;
	*) echo "install $1" ;;
	esac
}

found() {
	if [ "$1" = cc ]; then
		command -v "$(go env CC)" >/dev/null 2>&1
	else
		command -v "$1" >/dev/null 2>&1
	fi
}

packages=
for tool in "$@"; do
	if ! found "$tool" && [ "$tool" != go ]; then
		packages="$packages $(package_of "$tool")"
		[ "$tool" != cc ] || packages="$packages libc6-dev"
	fi
done

if [ -n "$packages" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "need: apt-get install$packages"
	export DEBIAN_FRONTEND=noninteractive
	log=$(mktemp)
	# shellcheck disable=SC2086 # a list of words
	if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends $packages; } >"$log" 2>&1; then
		cat "$log" >&2
	fi
	rm -f "$log"
fi

missing=0
for tool in "$@"; do
	if ! found "$tool"; then
		echo "need: $tool is missing: $(hint "$tool")" >&2
		missing=1
	fi
done
exit $missing
