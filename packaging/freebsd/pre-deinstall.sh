#!/bin/sh
# As @sample of a port does: a configuration that nobody changed goes with the sample. A removal stops the services, an
# upgrade does not.
set -e
config=${PKG_ROOTDIR:-}/usr/local/etc/ppp_thing.conf
if cmp -s "$config" "$config.sample"; then rm -f "$config"; fi
if [ -z "${PKG_UPGRADE:-}" ] && [ -z "${PKG_ROOTDIR:-}" ]; then
	for service in ppp_thing ppp_thing_helper; do
		service $service onestatus >/dev/null 2>&1 && service $service onestop
	done
	# What rc.d/ppp_thing_helper has mounted.
	umount /var/run/ppp_thing_helper 2>/dev/null || true
fi
exit 0
