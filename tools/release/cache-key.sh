#!/bin/sh
# Prints what a target's result depends on beyond the files that Nx hashes. Nx hashes what is printed; a fact that
# can't be read is printed as such, so that it never equals one that could.
set -u
cd "$(dirname "$0")/../.." || exit 1

case ${1:-} in
  # The version, and the commit where it is a release: a development build is the same for every commit.
  version)
    tags=$(git tag --points-at HEAD 2>&1)
    printf '%s\n' "RELEASE_VERSION=${RELEASE_VERSION:-}" "tags=$tags"
    [ -z "${RELEASE_VERSION:-}$tags" ] || git log -1 --format='%H %ct' 2>&1
    ;;
  # The C library that goes into the runtime folders.
  sysroots)
    find .cache/sysroots/*/lib64 .cache/sysroots/*/lib/*-linux-* .cache/sysroots/*/usr/lib/*-linux-* \
      -maxdepth 1 -name '*.so*' -type f -exec cksum {} + 2>&1 | sort -k 3
    ;;
  # What this machine can execute.
  execution)
    uname -sm
    find ${QEMU_DIR:+"$QEMU_DIR"} .cache/qemu/usr/bin -type f -exec cksum {} + 2>&1 | sort -k 3
    command -v qemu-aarch64 qemu-aarch64-static qemu-x86_64 qemu-x86_64-static
    ;;
  # The builder that --builder=auto finds, and its version.
  builder)
    printf '%s\n' "DOCKER_HOST=${DOCKER_HOST:-}" "BUILDX_BUILDER=${BUILDX_BUILDER:-}"
    if command -v docker >/dev/null; then
      timeout 10 docker buildx version 2>&1
      # Of its facts those that do not change from one minute to the next; BuildKit's version is the engine's own.
      timeout 10 docker buildx inspect 2>&1 | grep -E '^(Driver|BuildKit version|Platforms):'
    fi
    ;;
  *)
    echo "usage: cache-key.sh version | sysroots | execution | builder" >&2
    exit 2
    ;;
esac
