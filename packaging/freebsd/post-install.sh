#!/bin/sh
# As @sample of a port does: a configuration that is there stays.
set -e
config=${PKG_ROOTDIR:-}/usr/local/etc/ppp_thing.conf
[ -f "$config" ] || cp -p "$config.sample" "$config"
