#!/bin/sh
# Runs a command on a Node.js that is new enough: NODE if it is given, else this system's, else the one that npm brought
# (Linux only). `node`, and the commands of node_modules, then name that one in everything the command starts.
#
# usage: [NODE=PATH] sh packaging/with-node.sh COMMAND ...
set -eu
oldest=22

# major COMMAND: of its version, if it is Node.js.
major() {
	version=$("$1" --version 2>/dev/null) || return 1
	case $version in v*) ;; *) return 1 ;; esac
	version=${version#v}
	echo "${version%%.*}"
}

if [ -n "${NODE:-}" ] && ! command -v "$NODE" >/dev/null; then
	echo "make: no runtime $NODE" >&2
	exit 69
fi
# Bun runs the programs and their tests; what builds them wants Node.js.
if major "${NODE:-}" >/dev/null; then
	node=$(command -v "$NODE")
else
	node=$(command -v node) || node=
	found=$(major "$node") || found=0
	# Not by the link in .bin: npm 9 takes it away with the package of the other processor.
	if [ "$found" -lt $oldest ]; then
		node=
		for brought in "$PWD"/node_modules/node-linux-*/bin/node; do
			if major "$brought" >/dev/null; then node=$brought; fi
		done
	fi
	if [ ! -x "$node" ]; then
		echo "make: Node.js $oldest or newer is needed; on FreeBSD: pkg install node24 npm-node24" >&2
		exit 69
	fi
fi
# A link of npm's lies beside other programs: the directory of the runtime itself has no others of its names.
node=$(realpath "$node")
PATH=${node%/*}:$PWD/node_modules/.bin:$PATH
export PATH
exec "$@"
