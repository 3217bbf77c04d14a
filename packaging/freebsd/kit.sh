#!/bin/sh
# Packs what `make test-freebsd` runs as dist/ppp-thing-VERSION-OS-CPU-tests.tar.gz and prints its name: for a FreeBSD host that
# has Node.js or Bun and nothing else. Only for a checkout that is built.
#
#   usage: kit.sh [OS [CPU]]     freebsd x64 unless given
#
# There, as root: tar -xzf …; cd …; NODE=bun sh packaging/freebsd/test.sh
set -eu
cd "$(dirname "$0")/../.."
tree=$("${NODE:-node}" packaging/tree.mjs "${1:-freebsd}" "${2:-x64}")
kit=$tree-tests
rm -rf "$kit"
cp -R "$tree" "$kit"

# code FROM TO: compiled files alone.
code() {
	(cd "$1" && find . -name '*.js' -type f) | while read -r file; do
		mkdir -p "$2/$(dirname "$file")"
		cp "$1/$file" "$2/$file"
	done
}
mkdir -p "$kit/packages/lab"
code packages/lab/dist "$kit/packages/lab/dist"
cp packages/lab/package.json "$kit/packages/lab"
for package in ctl helper lab; do
	ln -s "../../packages/$package" "$kit/node_modules/@ppp-thing/$package"
done
for folder in freebsd helper; do
	code "test/dist/$folder" "$kit/test/dist/$folder"
done
echo '{ "type": "module" }' >"$kit/test/package.json"
cp test/dist/backend-contract.js test/dist/mini-tap.js "$kit/test/dist"
mkdir -p "$kit/test/fixtures" "$kit/packaging/freebsd" "$kit/node_modules/tap"
cp test/fixtures/freebsd-abi.json "$kit/test/fixtures"
cp packaging/freebsd/test.sh "$kit/packaging/freebsd"
cp docs/freebsd-native-tests.md "$kit/README.md"
# tap itself is 260 packages; these tests use little of it.
echo '{ "name": "tap", "type": "module", "main": "index.js" }' >"$kit/node_modules/tap/package.json"
echo "export { default } from '../../test/dist/mini-tap.js';" >"$kit/node_modules/tap/index.js"
if revision=$(git describe --always --dirty 2>/dev/null); then echo "$revision" >"$kit/REVISION"; fi

if tar --version | grep -q GNU; then
	owner='--owner=0 --group=0 --numeric-owner'
else
	owner='--uid 0 --gid 0'
fi
# shellcheck disable=SC2086 # two words and more
tar -c $owner -f - -C dist "${kit##*/}" | gzip -9 >"$kit.tar.gz"
rm -rf "$kit"
echo "$kit.tar.gz"
