#!/bin/sh
# Installs the tree that this file is the root of, or with -u removes what an installation laid down. A configuration
# and what the programs stored are never touched.
#
#   DESTDIR   put before every path, for packages; the user and the group are then not made
#   PREFIX    /usr/local; /usr is for packages of the system, and has its places for samples and completions
set -eu
tree=$(dirname "$0")
prefix=${PREFIX:-/usr/local}
root=${DESTDIR:-}$prefix
examples=share/examples/ppp-thing
zsh=share/zsh/site-functions
if [ "$prefix" = /usr ]; then
	examples=share/doc/ppp-thing/examples
	zsh=share/zsh/vendor-completions
fi

# layout SYSTEM: where everything of ours goes on it.
layout() {
	system=$1
	case $system in
	freebsd) home=libexec/ppp-thing ;;
	*) home=lib/ppp-thing ;;
	esac
}

# Mode, place in the tree, place below PREFIX.
single_files() {
	cat <<-END
		0755 bin/pppthingctl bin/pppthingctl
		0755 bin/ppp_thing sbin/ppp_thing
		0755 bin/ppp_thing_helper sbin/ppp_thing_helper
		0644 completions/pppthingctl.bash share/bash-completion/completions/pppthingctl
		0644 completions/_pppthingctl $zsh/_pppthingctl
		0644 completions/pppthingctl.fish share/fish/vendor_completions.d/pppthingctl.fish
	END
	if [ "$system" = freebsd ]; then
		echo 0640 etc/ppp_thing.conf.sample etc/ppp_thing.conf.sample
	else
		echo "0644 etc/ppp_thing.conf.sample $examples/ppp_thing.conf.sample"
	fi
}

# Mode, place in the tree, place below PREFIX, of files that name PREFIX.
services() {
	if [ "$system" = freebsd ]; then
		cat <<-END
			0755 rc.d/ppp_thing etc/rc.d/ppp_thing
			0755 rc.d/ppp_thing_early etc/rc.d/ppp_thing_early
			0755 rc.d/ppp_thing_helper etc/rc.d/ppp_thing_helper
		END
	else
		cat <<-END
			0644 etc/systemd/ppp_thing.service lib/systemd/system/ppp_thing.service
			0644 etc/systemd/ppp_thing_helper.service lib/systemd/system/ppp_thing_helper.service
		END
	fi
}

# As packages of FreeBSD and Debian have them: compressed, and no date in it.
manual_pages() {
	cat <<-END
		man/ppp_thing.8 share/man/man8/ppp_thing.8.gz
		man/ppp_thing_helper.8 share/man/man8/ppp_thing_helper.8.gz
		man/pppthingctl.8 share/man/man8/pppthingctl.8.gz
		man/ppp_thing.conf.5 share/man/man5/ppp_thing.conf.5.gz
	END
}

# What is put down whole: code, a runtime if the tree brings one, and samples.
whole_directories() {
	cat <<-END
		packages $home/packages
		node_modules $home/node_modules
		etc/$system $examples/$system
		etc/prometheus $examples/prometheus
	END
	[ ! -d "$tree/runtime" ] || echo "runtime $home/runtime"
}

# lay MODE PLACE COMMAND...: what the command prints becomes the file, whole, so that a start during an upgrade, or after one
# that was killed, finds the old file or the new one.
lay() {
	mode=$1 file=$root/$2
	shift 2
	mkdir -p "$(dirname "$file")"
	"$@" >"$file.new"
	chmod "$mode" "$file.new"
	mv -f "$file.new" "$file"
}

put() { lay "$1" "$3" cat "$tree/$2"; }

# A directory that was copied beside the one in use takes its place.
swap() {
	rm -rf "$root/$1.old"
	[ ! -e "$root/$1" ] || mv "$root/$1" "$root/$1.old"
	mv "$root/$1.new" "$root/$1"
	rm -rf "$root/$1.old"
}

# The daemons' user and group, where this is the system they will run on.
make_account() {
	[ -z "${DESTDIR:-}" ] && [ "$(id -u)" -eq 0 ] || return 0
	if command -v pw >/dev/null; then
		pw groupshow ppp_thing >/dev/null 2>&1 || pw groupadd ppp_thing
		pw usershow ppp_thing >/dev/null 2>&1 ||
			pw useradd ppp_thing -g ppp_thing -c ppp-thing -d /nonexistent -s /usr/sbin/nologin
		chgrp ppp_thing "$root/etc/ppp_thing.conf.sample"
	else
		getent group ppp_thing >/dev/null || groupadd --system ppp_thing
		getent passwd ppp_thing >/dev/null ||
			useradd --system --gid ppp_thing --home-dir /nonexistent --shell /usr/sbin/nologin ppp_thing
	fi
}

# An older version's files may have other names: all of our own directories go, and what an installation that was killed left.
remove_directories() {
	for each in "$home" "$examples"; do rm -rf "${root:?}/$each" "${root:?}/$each.new" "${root:?}/$each.old"; done
}

umask 022
case ${1:-} in
-u)
	# A checkout is of no system; what another would have laid down is not there.
	for name in freebsd linux; do
		layout $name
		{ single_files && services; } | while read -r _ _ place; do rm -f "$root/$place" "$root/$place.new"; done
		manual_pages | while read -r _ place; do rm -f "$root/$place" "$root/$place.new"; done
		remove_directories
	done
	;;
'')
	layout "$(sed -En '/"os"/,/]/s/^ *"(freebsd|linux)".*/\1/p' "$tree/package.json")"
	rm -rf "${root:?}/$home.new" "${root:?}/$examples.new"
	whole_directories | while read -r from to; do
		case $to in
		"$home"/*) to=$home.new${to#"$home"} ;;
		*) to=$examples.new${to#"$examples"} ;;
		esac
		mkdir -p "$root/$to"
		cp -R "$tree/$from/." "$root/$to"
	done
	put 0644 package.json "$home.new/package.json"
	put 0644 LICENSE "$home.new/LICENSE"
	swap "$home"
	swap "$examples"
	single_files | while read -r mode from place; do put "$mode" "$from" "$place"; done
	services | while read -r mode from place; do
		lay "$mode" "$place" sed "s|/usr/local|$prefix|g" "$tree/$from"
	done
	manual_pages | while read -r page place; do lay 0644 "$place" gzip -cn9 "$tree/$page"; done
	make_account
	;;
*)
	echo "usage: install.sh [-u]    DESTDIR and PREFIX are taken from the environment" >&2
	exit 64
	;;
esac
