#!/bin/sh

# Puts what the templates made where the programs read it, with the owner and mode that secrets need. A configuration with a
# mistake takes the place of none.
made=/usr/local/etc/ppp_thing.d

install -d -o root -g wheel -m 0700 "$made"
[ -s "$made/ppp_thing.conf" ] || exit 0
install -o root -g ppp_thing -m 0640 "$made/ppp_thing.keys" /usr/local/etc/ppp_thing.keys || exit 1
/usr/local/bin/pppthingctl check-config "$made/ppp_thing.conf" || exit 1
install -o root -g ppp_thing -m 0640 "$made/ppp_thing.conf" /usr/local/etc/ppp_thing.conf
