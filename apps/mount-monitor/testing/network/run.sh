#!/usr/bin/env bash
# Checks real NFS 4.2 and SMB 3 mounts in a virtual machine with Debian's kernel, and prints what every check type reports
# for each fault. Run it manually, as root, on Debian 12: apt-get install qemu-system-x86 debootstrap cpio. It takes
# 10 minutes on an idle machine; without /dev/kvm, the processor is emulated. NO_KVM=1 emulates it anyway, for machines
# that are virtual themselves and whose /dev/kvm starts nothing.
# Usage: run.sh EXECUTABLE [WORK], with the compiled monitor and a folder for the machine's files, which can be reused.
set -euo pipefail
executable=$(realpath "${1:?the compiled monitor}")
work=${2:-$(mktemp -d)}
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
mkdir -p "$work"
cd "$work"
if [[ ! -e rootfs/usr/sbin/smbd ]]; then
  # Unpacking is enough: the packages' setup is not needed, and creating an initrd takes long.
  debootstrap --variant=minbase --download-only \
    --include=linux-image-amd64,kmod,nfs-kernel-server,nfs-common,samba,cifs-utils,iproute2,procps \
    bookworm rootfs
  for package in rootfs/var/cache/apt/archives/*.deb; do dpkg -x "$package" rootfs; done
  chroot rootfs depmod -a "$(basename rootfs/lib/modules/*)"
fi
install -m 0755 "$executable" rootfs/usr/bin/mount-monitor
install -m 0755 "$here/guest.sh" rootfs/init
(
  cd rootfs
  # Only the console's driver is needed, which is built in: disks and networks use loopback devices.
  find . -path ./proc -prune -o -path ./var/cache -prune -o -path ./var/lib/apt -prune -o -path ./usr/share/doc -prune \
    -o -path ./usr/share/locale -prune -o -path ./usr/share/man -prune -o -path './boot/initrd*' -prune \
    -o -path '*/kernel/drivers' -prune -o -path '*/kernel/sound' -prune -o -path './usr/lib/python3*' -prune -o -print0
  printf './proc\0'
) | (cd rootfs && cpio --null --create --format=newc --quiet) >initramfs
accelerator=(-cpu max)
if [[ -e /dev/kvm && -z "${NO_KVM:-}" ]]; then accelerator=(-enable-kvm -cpu host,arch-capabilities=off); fi
exec qemu-system-x86_64 "${accelerator[@]}" -smp 2 -m 3072 -nographic -no-reboot -nic none \
  -kernel "$(echo rootfs/boot/vmlinuz-*)" -initrd initramfs \
  -append 'console=ttyS0 quiet panic=-1 rdinit=/init mitigations=off'
