#!/bin/bash
# The first process of the kernel lab's guest: mounts what a system needs on top of the host's read-only files, runs the
# command it finds in its result directory, and powers off. It knows nothing of the lab's networks or scenes.
#
# LAB_RESULT comes from the kernel's command line: a directory of the host, the only one the guest can write to. In it,
# `command` holds the program and its arguments, each ended by a zero octet; `checkout` the path that all users of the guest
# must be able to enter; `exit` receives the program's exit status.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mkdir -p /run/netns /run/lock /run/result /run/modules/lib
# Since Linux 6.11 the path has a name (Debian 13); before, it was the whole option (Debian 12).
mount -t hostfs -o "hostfs=$LAB_RESULT" result /run/result 2>/dev/null ||
  mount -t hostfs -o "$LAB_RESULT" result /run/result
mkdir -p /run/tmp
export TMPDIR=/run/tmp

# The kernel mounts /dev by itself only if the host's root has the directory for it in order; pppoe-server needs /dev/fd.
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
ln -sfn /proc/self/fd /dev/fd

# Node.js would use it, and a user-mode Linux of 6.18 or 7.2 then loses pages ("Bad page map").
echo 2 >/proc/sys/kernel/io_uring_disabled 2>/dev/null

# The guest kernel's modules are not where the host's are, and the host need not have any.
ln -s /usr/lib/uml/modules /run/modules/lib/modules
printf '#!/bin/sh\nexec modprobe -d /run/modules "$@"\n' >/run/modprobe
chmod 755 /run/modprobe
echo /run/modprobe >/proc/sys/kernel/modprobe
# A kernel that was built for the lab has them built in.
if [ -d "/usr/lib/uml/modules/$(uname -r)" ]; then
  for module in ppp_generic pppox pppoe ppp_async veth macvlan bridge af_packet dummy; do
    /run/modprobe "$module"
  done
fi

# A user for the supervisor, whether or not the host has one.
grep -v '^ppp_thing:' /etc/passwd >/run/passwd
grep -v '^ppp_thing:' /etc/group >/run/group
echo 'ppp_thing:x:990:990:ppp-thing:/nonexistent:/usr/sbin/nologin' >>/run/passwd
echo 'ppp_thing:x:990:' >>/run/group
mount --bind /run/passwd /etc/passwd
mount --bind /run/group /etc/group

# Below a directory that is its owner's alone (/root) the supervisor's user would find nothing: cover it, and put the
# checkout back where it was.
checkout=$(cat /run/result/checkout)
closed=
for ((at = 1; at <= ${#checkout}; at++)); do
  [ "${checkout:at:1}" = / ] || continue
  mode=$(stat -c %a "${checkout:0:at}")
  ((8#$mode & 1)) || { closed=${checkout:0:at} && break; }
done
if [ -n "$closed" ]; then
  mkdir /run/checkout
  mount --bind "$checkout" /run/checkout
  mount -t tmpfs -o mode=755 opened "$closed"
  mkdir -p "$checkout"
  mount --move /run/checkout "$checkout"
fi

hostname guest
ip link set lo up

mapfile -d '' -t command </run/result/command
"${command[@]}"
echo $? >/run/result/exit

sync
echo o >/proc/sysrq-trigger
sleep 5
