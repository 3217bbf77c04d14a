#!/bin/sh
# Runs the compiled native tests (test/dist/freebsd/native*.test.js) on the FreeBSD kernel of this host, or on the one
# that the module in PPP_THING_TEST_LIBC speaks to. Prints TAP, a document for each file. Says why where it cannot run; it
# never passes by doing nothing.
#
#   NODE                 node, or bun: the runtime of the tests and of the programs under test
#   PPP_THING_TEST_LIBC  a module (docs/freebsd-native-tests.md); then only the backend contract is run
#   PPP_THING_TEST_ONLY  a part of the names of the files to run: contract is native.test, pair is native-pair.test
#
# With the argument `check` it says whether it could run here, and runs nothing: before a build that takes long.
set -u
cd "$(dirname "$0")/../.." || exit 1

refuse() {
	echo "make test-freebsd: $1" >&2
	exit 1
}

if [ -z "${PPP_THING_TEST_LIBC:-}" ]; then
	[ "$(uname -s)" = FreeBSD ] ||
		refuse "this is $(uname -s): run it as root on a FreeBSD host, or give PPP_THING_TEST_LIBC (docs/freebsd-native-tests.md)"
	[ "$(id -u)" -eq 0 ] || refuse 'not root: it makes jails, interfaces and netgraph nodes'
fi

node=${NODE:-node}
version=$("$node" --version 2>/dev/null) ||
	refuse "no runtime $node: pkg install node24, or give one as NODE=/path/to/node (or bun)"
if [ "${1:-}" = check ]; then
	[ -f node_modules/.package-lock.json ] || command -v npm >/dev/null ||
		refuse 'no npm to build with: pkg install npm-node24, or make test-freebsd-kit on another machine'
	exit 0
fi
# Tests whose files are named so run anywhere: what can be tried of these without a FreeBSD kernel.
anywhere='*-on-*.test.js'
# Of these every test is long: tap's own limit would end the file.
TAP_TIMEOUT=${TAP_TIMEOUT:-3600}
export TAP_TIMEOUT

echo "# host: $(uname -a)"
echo "# runtime: $node, $version"
if [ -f REVISION ]; then
	echo "# revision: $(cat REVISION)"
elif revision=$(git describe --always --dirty 2>/dev/null); then
	echo "# revision: $revision"
fi

# Bun cannot load tap itself.
run() {
	case $version in
	v*) "$node" "$1" ;;
	*) "$node" --preload "$PWD/test/dist/helper/tap-on-bun.js" "$1" ;;
	esac
}

failed=''
count=0
# The contract first: what fails there fails in the pair too, and takes longer.
for file in test/dist/freebsd/native.test.js test/dist/freebsd/native-*.test.js; do
	[ -f "$file" ] || refuse "no $file: the build made none"
	# shellcheck disable=SC2254 # a pattern
	case ${file##*/} in
	$anywhere) continue ;;
	*"${PPP_THING_TEST_ONLY:-}"*) ;;
	*) continue ;;
	esac
	count=$((count + 1))
	echo "# file: $file"
	run "$file" || failed="$failed $file"
done
[ "$count" -gt 0 ] || refuse "no file has '${PPP_THING_TEST_ONLY:-}' in its name"
[ -z "$failed" ] || refuse "failed:$failed"
