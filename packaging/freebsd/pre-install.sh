#!/bin/sh
# The account, as USERS and GROUPS of a port would make it.
set -e
pw="pw ${PKG_ROOTDIR:+-R $PKG_ROOTDIR}"
$pw groupshow ppp_thing >/dev/null 2>&1 || $pw groupadd ppp_thing
$pw usershow ppp_thing >/dev/null 2>&1 ||
	$pw useradd ppp_thing -g ppp_thing -c ppp-thing -d /nonexistent -s /usr/sbin/nologin
