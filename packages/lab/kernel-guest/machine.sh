#!/bin/sh
# A router of the guide: files of its own over the host's, and systemd as its first process. It runs in the router's network,
# and makes the other namespaces itself.
#
#   machine.sh NAME PACKAGE
set -e
name=$1
package=$2

if [ $$ -ne 1 ]; then
	mount -t cgroup2 cgroup /sys/fs/cgroup
	mkdir "/sys/fs/cgroup/$name"
	echo $$ >"/sys/fs/cgroup/$name/cgroup.procs"
	exec unshare --mount --pid --fork --cgroup --uts --ipc "$0" "$name" "$package"
fi

# What follows may cover the place where it lies.
mkdir -p "/run/$name"
cp "$package" "/run/$name/"
for place in etc usr var root; do
	key=$(echo $place | tr / -)
	mkdir -p "/run/$name/upper/$key" "/run/$name/work/$key"
	mount -t overlay overlay -o "lowerdir=/$place,upperdir=/run/$name/upper/$key,workdir=/run/$name/work/$key" "/$place"
done
mount -t proc proc /proc
umount /sys/fs/cgroup
mount -t cgroup2 cgroup /sys/fs/cgroup
mv "/run/$name/${package##*/}" /root/
mount -t tmpfs tmp /tmp
# iptables(8) asks the guest's modprobe for what it needs.
cp -a /run/modprobe /run/modules /tmp/
mount -t tmpfs run /run
mv /tmp/modprobe /tmp/modules /run/
mkdir -p /var/lib /var/log
# Images of containers forbid services to start; a router does not.
rm -f /usr/sbin/policy-rc.d
hostname "$name"
echo "127.0.1.1 $name" >>/etc/hosts
rm -rf /etc/systemd/system/* /etc/keepalived/keepalived.conf /etc/conntrackd/conntrackd.conf /etc/machine-id
: >/etc/machine-id

# Nothing of the host's but what writes the journal: the machine has no hardware, and nobody logs in.
for unit in /usr/lib/systemd/system/sysinit.target.wants/* /usr/lib/systemd/system/sockets.target.wants/* \
	/usr/lib/systemd/system/multi-user.target.wants/* /usr/lib/systemd/system/timers.target.wants/*; do
	case $unit in
	*journal*) ;;
	*) ln -s /dev/null "/etc/systemd/system/${unit##*/}" ;;
	esac
done
exec env -i container=lab PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
	/lib/systemd/systemd --unit=multi-user.target --log-level=warning --log-target=journal-or-kmsg --show-status=no
