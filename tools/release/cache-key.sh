#!/bin/sh
# Prints what a target's result depends on beyond the files that Nx hashes. Nx hashes what is printed; a fact that
# can't be read is printed as such, so that it never equals one that could. Every run of Nx waits for it, so it starts
# no process that it can do without.
set -u
cd "${0%/*}/../.." || exit 1
# The order of what * stands for is the same everywhere.
export LC_ALL=C

checksums() {
  if [ $# -eq 0 ]; then echo 'no files'; else cksum "$@" 2>&1; fi
}

case ${1:-} in
  # The version, and the commit where it is a release: a development build is the same for every commit.
  version)
    tags=$(git tag --points-at HEAD 2>&1)
    printf '%s\n' "RELEASE_VERSION=${RELEASE_VERSION:-}" "tags=$tags"
    [ -z "${RELEASE_VERSION:-}$tags" ] || git log -1 --format='%H %ct' 2>&1
    ;;
  # The C library that goes into the runtime folders.
  sysroots)
    set --
    for file in .cache/sysroots/*/lib64/*.so* .cache/sysroots/*/lib/*-linux-*/*.so* \
      .cache/sysroots/*/usr/lib/*-linux-*/*.so*; do
      # A link may lead to the machine's own library.
      if [ -f "$file" ] && [ ! -L "$file" ]; then set -- "$@" "$file"; fi
    done
    checksums "$@"
    ;;
  # What this machine can execute.
  execution)
    uname -sm
    set --
    for file in ${QEMU_DIR:+"$QEMU_DIR"/*} .cache/qemu/usr/bin/*; do
      if [ -f "$file" ]; then set -- "$@" "$file"; fi
    done
    checksums "$@"
    command -v qemu-aarch64 qemu-aarch64-static qemu-x86_64 qemu-x86_64-static
    ;;
  # The builder that --builder=auto finds, and its version.
  builder)
    printf '%s\n' "DOCKER_HOST=${DOCKER_HOST:-}" "BUILDX_BUILDER=${BUILDX_BUILDER:-}"
    if command -v docker >/dev/null; then
      # Of its facts those that do not change from one minute to the next; BuildKit's version is the engine's own.
      timeout 10 docker buildx version 2>&1 &&
        timeout 10 docker buildx inspect 2>&1 | grep -E '^(Driver|BuildKit version|Platforms):'
    fi
    ;;
  *)
    echo "usage: cache-key.sh version | sysroots | execution | builder" >&2
    exit 2
    ;;
esac
