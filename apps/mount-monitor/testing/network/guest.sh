#!/bin/sh
# Init of the virtual machine: runs an NFS 4.2 and an SMB 3 server, mounts both, and runs the monitor while injecting
# faults. Prints what each check reports, and powers off the machine at the end.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for folder in /tmp /run /srv /mnt /var/lib/nfs /var/lib/samba /var/cache/samba /var/log; do
  mkdir -p $folder && mount -t tmpfs none $folder
done
ldconfig
# Packages that are only unpacked leave these out, and the SMB server needs its guest's account.
echo 'root:x:0:0:root:/root:/bin/sh' >/etc/passwd
echo 'root:x:0:' >/etc/group
ip link set lo up
say() { printf '== %s\n' "$*"; }
finish() { say "$*"; echo o >/proc/sysrq-trigger; sleep 60; }

for module in nfsd nfs nfsv4 cifs; do modprobe $module || finish "no module $module"; done
mkdir -p /srv/nfs /srv/smb /mnt/nfs /mnt/smb /mnt/local /var/lib/nfs/rpc_pipefs /var/lib/nfs/v4recovery \
  /var/lib/samba/private /run/samba /var/log/samba
for folder in /srv/nfs /srv/smb /mnt/local; do echo ok >$folder/.health-check; done

mount -t nfsd nfsd /proc/fs/nfsd
touch /var/lib/nfs/etab /var/lib/nfs/rmtab
echo '/srv/nfs *(rw,fsid=1,no_root_squash,insecure,no_subtree_check,sync)' >/etc/exports
exportfs -ra
rpc.nfsd -N 3 --no-udp 4
rpc.mountd -N 2 -N 3
mount -t nfs4 -o vers=4.2,hard,timeo=20,retrans=1,noac 127.0.0.1:/srv/nfs /mnt/nfs || finish 'no NFS mount'

cat >/tmp/smb.conf <<'END'
[global]
  server role = standalone server
  map to guest = Bad User
  guest account = root
  disable netbios = yes
  smb ports = 445
  log file = /var/log/samba/log
  server multi channel support = no
[share]
  path = /srv/smb
  guest ok = yes
  read only = no
  force user = root
END
smbd --configfile=/tmp/smb.conf --daemon
# Where the processor is emulated, the server takes a minute to listen.
for try in $(seq 40); do
  mount -t cifs -o guest,vers=3.1.1,cache=none,actimeo=0,echo_interval=4 //127.0.0.1/share /mnt/smb && break
  sleep 3
done
grep -q ' /mnt/smb ' /proc/self/mountinfo || { cat /var/log/samba/log; finish 'no SMB mount'; }

cat >/tmp/config.json <<'END'
{"httpPort": 8080, "checkInterval": "6s", "readTimeout": "4s", "failureThreshold": 1, "logLevel": "debug", "mounts": [
  {"name": "nfs", "path": "/mnt/nfs"},
  {"name": "nfs-directory", "path": "/mnt/nfs", "checkType": "directory", "minEntries": 1},
  {"name": "nfs-mountpoint", "path": "/mnt/nfs", "checkType": "mountpoint", "fsType": "nfs4"},
  {"name": "nfs-writable", "path": "/mnt/nfs", "checkType": "directory", "writable": true},
  {"name": "smb", "path": "/mnt/smb"},
  {"name": "smb-directory", "path": "/mnt/smb", "checkType": "directory", "minEntries": 1},
  {"name": "smb-mountpoint", "path": "/mnt/smb", "checkType": "mountpoint", "fsType": "cifs"},
  {"name": "smb-writable", "path": "/mnt/smb", "checkType": "directory", "writable": true},
  {"name": "local", "path": "/mnt/local"}
]}
END
mount-monitor --version
mount-monitor --config /tmp/config.json >/tmp/log 2>&1 &
monitor=$!

# Prints the results of the checks in the next 40 s, with counts.
watch() {
  say "$1"
  begin=$(wc -l </tmp/log)
  sleep 40
  tail -n +$((begin + 1)) /tmp/log |
    sed -n 's/.*"msg":"health check \(passed\|failed\|inconclusive\)","name":"\([^"]*\)".*"reason":"\([^"]*\)".*/\2 \1 \3/p;t
            s/.*"msg":"health check \(passed\|failed\|inconclusive\)","name":"\([^"]*\)".*/\2 \1/p' | sort | uniq -c
  for pid in $(pidof mount-monitor); do
    sed -n 's/^Name:[[:space:]]*/process /p;s/^State:[[:space:]]*/  state /p' /proc/$pid/status 2>/dev/null
  done | paste - - | sort | uniq -c
}
sleep 15
watch 'all is well'
rpc.nfsd 0
watch 'the NFS server has stopped'
rpc.nfsd -N 3 --no-udp 4
sleep 15
watch 'the NFS server is back'
kill -STOP $(pidof smbd)
watch 'the SMB server hangs'
kill -CONT $(pidof smbd)
sleep 20
watch 'the SMB server continues'
kill -KILL $(pidof smbd)
watch 'the SMB server is gone'
mount -t tmpfs other /srv/nfs && exportfs -f && exportfs -ra
watch 'another, empty file system is exported instead of the first'
rpc.nfsd 0
sleep 15
start=$(cut -d' ' -f1 /proc/uptime)
kill -TERM $monitor
wait $monitor
say "SIGTERM while both hang: exit $?, from $start to $(cut -d' ' -f1 /proc/uptime) s"
finish 'done'
