#!/bin/sh
# Prints the port's distinfo for the tarballs of `make dist OS=freebsd` that are in dist/; they are not made here.
set -eu
cd "$(dirname "$0")/../../dist"
echo "TIMESTAMP = $(date +%s)"
for tarball in ppp-thing-*-freebsd-*.tar.gz; do
	[ -f "$tarball" ] || {
		echo "read dist/$tarball: ENOENT: make dist OS=freebsd CPU=x64, and CPU=arm64" >&2
		exit 1
	}
	if command -v sha256 >/dev/null; then
		sum=$(sha256 -q "$tarball")
	else
		sum=$(sha256sum "$tarball" | cut -d ' ' -f 1)
	fi
	echo "SHA256 ($tarball) = $sum"
	echo "SIZE ($tarball) = $(($(wc -c <"$tarball")))"
done
