#!/bin/sh
# Runs the compiled native tests (test/dist/freebsd/native*.test.js) on the FreeBSD kernel of this host, or on the one
# that the module in PPP_THING_TEST_LIBC speaks to. Says why where it cannot; it never passes by doing nothing.
set -u
cd "$(dirname "$0")/../.." || exit 1

refuse() {
	echo "make test-freebsd: $1" >&2
	exit 1
}

if [ -z "${PPP_THING_TEST_LIBC:-}" ]; then
	[ "$(uname -s)" = FreeBSD ] ||
		refuse "this is $(uname -s): run it as root on a FreeBSD host, or give PPP_THING_TEST_LIBC (docs/testing.md)"
	[ "$(id -u)" -eq 0 ] || refuse 'not root: it makes jails, interfaces and netgraph nodes'
fi

failed=0
for file in test/dist/freebsd/native*.test.js; do
	[ -f "$file" ] || refuse 'no test/dist/freebsd/native*.test.js: the build made none'
	# That these tests can be run at all, which is tried without a FreeBSD kernel.
	case $file in *-on-fake.test.js) continue ;; esac
	echo "=== $file"
	"${NODE:-node}" "$file" || failed=$((failed + 1))
done
[ "$failed" -eq 0 ] || refuse "$failed of the files failed"
