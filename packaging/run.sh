#!/bin/sh
# ppp_thing, ppp_thing_helper and pppthingctl: finds the program of its own name and a runtime for it, and becomes it.
# It works installed (PREFIX/bin, PREFIX/sbin) and in an unpacked tarball (bin).
#
# PPP_THING_RUNTIME   "node bun": the first one found runs the program; a package may bring one, which is then the default

self=$(realpath "$0") || exit 1
name=${self##*/}
here=${self%/*}
case $name in
ppp_thing) package=supervisor ;;
ppp_thing_helper)
	package=helper
	# No descriptor that whoever started it had open comes along, but those that systemd kept for it; sh can name these.
	[ "${LISTEN_PID:-}" = $$ ] || exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
	;;
pppthingctl) package=ctl ;;
*)
	echo "run $name: not a program of ppp-thing" >&2
	exit 64
	;;
esac

for root in "$here/.." "$here/../lib/ppp-thing" "$here/../libexec/ppp-thing"; do
	program=$root/packages/$package/dist/main.js
	[ -f "$program" ] && break
done

# Services and sudo come without /usr/local in their PATH.
PATH=$PATH:/usr/local/bin
wanted=${PPP_THING_RUNTIME:-$root/runtime/node $root/runtime/bun node bun}
for runtime in $wanted; do
	command -v "$runtime" >/dev/null && exec "$runtime" "$program" "$@"
done
echo "$name: no runtime found: looked for ${PPP_THING_RUNTIME:-node bun}; install Node.js 22 or newer" >&2
exit 69
