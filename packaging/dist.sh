#!/bin/sh
# Packs the self-contained tree of tree.mjs as dist/ppp-thing-VERSION-OS-CPU.tar.gz and prints its name. Only for a
# checkout that is built.
set -eu
cd "$(dirname "$0")/.."
tree=$("${NODE:-node}" packaging/tree.mjs "$@")
# Unpacked by root, files must not belong to whoever happens to have the builder's number.
if tar --version | grep -q GNU; then
	owner='--owner=0 --group=0 --numeric-owner'
else
	owner='--uid 0 --gid 0'
fi
# shellcheck disable=SC2086 # two words and more
tar -c $owner -f - -C dist "${tree##*/}" | gzip -9 >"$tree.tar.gz"
echo "$tree.tar.gz"
