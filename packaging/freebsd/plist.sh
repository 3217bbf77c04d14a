#!/bin/sh
# Writes pkg-plist anew from what `make install` lays down: after a source file came, went or changed its name.
set -eu
cd "$(dirname "$0")/../.."
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
"${MAKE:-make}" install DESTDIR="$stage" PREFIX=/usr/local OS=freebsd CPU=x64
cd "$stage/usr/local"
list=$(find . -type f | LC_ALL=C sort | sed \
	-e 's|^\./||' \
	-e 's|freebsd\([-_]\)x64|freebsd\1%%CPU%%|g' \
	-e 's|^etc/ppp_thing.conf.sample$|@sample(root,ppp_thing,0640) &|')
cd "$OLDPWD"
# The services make these too; the package takes them away when they are empty. /var/run is made at every boot.
cat >packaging/freebsd/pkg-plist <<-END
	$list
	@dir(ppp_thing,ppp_thing,0700) /var/db/ppp_thing
	@dir(root,wheel,0700) /var/db/ppp_thing_helper
END
