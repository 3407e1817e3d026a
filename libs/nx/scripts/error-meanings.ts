import type { ElfErrorCode } from '@prebuilt/elf';
import type { OciErrorCode } from '@prebuilt/oci';
import type { DockerfileErrorCode } from '../src/dockerfile/errors.ts';
import type { PrebuiltErrorCode } from '../src/errors.ts';
import type { SystemErrorCode } from '../src/executors/failures.ts';
import type { FindingCode } from '../src/executors/verify/inspect-files.ts';

/** The meaning of an error for a user, and what to do about it. */
export interface Meaning {
  readonly means: string;
  readonly action: string;
}

/** Every code that a target or generator can fail with. */
export const ERRORS: Readonly<
  Record<PrebuiltErrorCode | DockerfileErrorCode | OciErrorCode | ElfErrorCode | SystemErrorCode, Meaning>
> = {
  ARTIFACT_CHANGED: {
    means:
      'A file in `bin` does not match the manifest: it was changed or replaced, or its mode was lost.',
    action:
      'Build again with `build-binaries`. If the files came from a CI artifact, pack them as a tar file: artifacts lose the executable bit.',
  },
  BASE_IMAGE: {
    means: 'No image can be built on the image in `FROM`, or that image contradicts its registry’s metadata.',
    action: 'The message says what was expected of the base. Use another one, or another digest.',
  },
  BUILDER: {
    means: 'The image builder cannot do what is needed, or its image does not match the plan.',
    action: 'The message says what is missing and how to provide it. `--builder=daemonless` needs no engine.',
  },
  BUILD_METADATA: {
    means: 'The version has build metadata (`+…`), which no tag can contain.',
    action: 'Publish it without build metadata, or as a prerelease.',
  },
  COMPILE_FAILED: {
    means: 'The compiler failed. Its output is above the message.',
    action: 'Fix what the compiler reports. The executables of the last build are still there.',
  },
  CONFIGURATION: {
    means: 'A `prebuilt.json`, or the plugin’s options in `nx.json`, are invalid.',
    action: 'The message lists every problem with its path. Editors that support `$schema` show them, too.',
  },
  DOCKERFILE_COPY: {
    means:
      'A `COPY` or `ADD` refers to something that is not in the build context, or is impossible: a file is where a folder is needed, or an owner is not in the list of users.',
    action:
      'The message gives the line. List additional workspace files in `image.files`; [Dockerfile.release](dockerfile.md) describes the context.',
  },
  DOCKERFILE_REFUSED: {
    means:
      'The Dockerfile contains something that builders interpret differently, or that needs a builder that is not available.',
    action:
      'The message gives the line and what to write instead. [Dockerfile.release](dockerfile.md) has the whole list. Anything that must be executed needs buildx.',
  },
  DOCKERFILE_SYNTAX: {
    means: 'The Dockerfile cannot be read.',
    action: 'The message gives the line, what was expected there, and what was found.',
  },
  ENGINE: {
    means:
      'No container engine responds, or it refused a request. Only `docker-build` and `docker-load` need one; on a Mac, `verify` uses one if available.',
    action:
      'Start the engine. `docker-release` builds the image without one; `verify` on a Mac checks only the structure without one.',
  },
  GITHUB: {
    means: 'GitHub refused a request, did not respond, or sent an unexpected response.',
    action:
      'HTTP 401 or 403: the token lacks a permission (`contents: write`), or the rate limit is reached, and the message says until when. Otherwise, run it again.',
  },
  HOST: {
    means: 'This does not work on Windows.',
    action: 'Run it in WSL, with the workspace inside it.',
  },
  IMAGE_INCOMPLETE: {
    means: 'The image would lack the executable or a library, or would start something that is not in it.',
    action: 'Add the missing `COPY` to the Dockerfile, or correct `ENTRYPOINT` or `USER`.',
  },
  INTERRUPTED: {
    means: 'It was stopped by a signal, such as Ctrl-C.',
    action: 'Run it again. Existing output is unchanged.',
  },
  INVALID_CHECKSUMS: {
    means: '`checksums.txt` is not in the format of `sha256sum`, or lists different files than the manifest.',
    action: 'Build again with `build-binaries`.',
  },
  INVALID_MANIFEST: {
    means: '`manifest.json` cannot be read, or is from a different version of the plugin.',
    action: 'Build again with `build-binaries`.',
  },
  INVALID_NAME: {
    means: 'A program or executable has a name that cannot be part of a file name or image name.',
    action: 'Give it another `name` in `prebuilt.json`: lowercase letters, digits, `.`, `_` and `-`.',
  },
  INVALID_OPTIONS: {
    means: 'An option has an invalid value, or contradicts another one.',
    action: 'The message names both. [Targets and options](targets.md) lists what each option accepts.',
  },
  INVALID_PLATFORM: {
    means: 'A platform is unsupported or given twice.',
    action: 'Use Docker’s names: `linux/amd64`, `linux/arm64`, `linux/arm/v7`.',
  },
  INVALID_RECORD: {
    means: '`publish/record.json` cannot be read.',
    action: 'Run `docker-publish` again: it publishes nothing twice and rewrites the record.',
  },
  INVALID_REPORT: {
    means: 'A report from `verify` cannot be read.',
    action: 'Run `verify` again.',
  },
  INVALID_SIGNATURE: {
    means: 'The signature is for other checksums, or cannot be read.',
    action: 'It belongs to another build: release that one, or give the new build a new version.',
  },
  INVALID_TAG: {
    means: 'The version’s tag is longer than the 128 characters that registries allow.',
    action: 'Use a shorter prerelease.',
  },
  INVALID_VERSION: {
    means: 'The version is not SemVer 2.0.0.',
    action: 'Set `RELEASE_VERSION=1.2.3`, or push a valid tag: `v1.2.3`.',
  },
  LOCKFILE: {
    means: '`prebuilt.lock.json` lacks an entry that this build needs, or cannot be read.',
    action:
      'Run `npx nx g @prebuilt/nx:lock` on Debian or Ubuntu (a container will do), and commit the file.',
  },
  MANIFEST_MISSING: {
    means: 'There are no executables yet: `bin/manifest.json` does not exist.',
    action: 'Run `build-binaries` first.',
  },
  OUTPUT: {
    means: 'The output folder contains something that this target has not written, and that would be lost.',
    action: 'Move the file, or choose another `output` in `prebuilt.json`. Nothing was changed.',
  },
  PROOF_REDUCED: {
    means:
      'The Dockerfile executes something or copies unverified files, so not every file in the image can be proven, but `--require-full-proof` or `image.requireFullProof` requires that.',
    action:
      'Write the Dockerfile without `RUN`, `COPY --from`, `# syntax=` and `ADD` of archives in bzip2 or xz or with devices: `image.files` has built-ins for certificates, time zones, users and `/tmp`. Or accept the reduced proof and remove the option.',
  },
  PUBLISH: {
    means:
      'The image in `oci` does not match the executables, the Dockerfile and the options.',
    action: 'Run `docker-release` again, with the same Dockerfile and options as `docker-publish`.',
  },
  READ_BACK: {
    means: 'The registry returned something other than what was verified. No tag was moved.',
    action: 'First, find out why: a proxy, a registry that rewrites images, or an attack.',
  },
  RELEASE_CONFLICT: {
    means: 'GitHub already has a release or a tag for this version, with different files or at a different commit.',
    action:
      'A published release never changes: release the next version. Delete an unwanted draft on its page and run it again. If HEAD has moved on since the tag, check out the tag first (`git checkout v1.2.3`).',
  },
  RELEASE_INCOMPLETE: {
    means: 'The draft lacks assets, or the image has not been published yet.',
    action: 'Run `github-draft`, then `docker-publish`, then `github-release`.',
  },
  RUNTIME_INTEGRITY: {
    means: 'A Bun runtime from the registry or in `.cache/prebuilt` does not match the lock.',
    action: 'Before you continue, find out which of them was altered.',
  },
  RUNTIME_UNAVAILABLE: {
    means: 'A Bun runtime cannot be fetched from the npm registry.',
    action:
      'Build once while the registry is reachable, or fetch everything beforehand: `npx nx g @prebuilt/nx:lock --fetch`.',
  },
  SBOM: {
    means:
      'A bill of materials is missing, invalid, or was not accepted by a registry under `--require-sbom`.',
    action:
      'Run `sbom`. Without `--require-sbom`, a registry that rejects attachments does not stop a release.',
  },
  SEVERAL_VERSION_TAGS: {
    means: 'HEAD has more than one version tag of this project.',
    action: 'Choose one: `RELEASE_VERSION=1.2.3`.',
  },
  SIGN: {
    means: 'Sigstore did not sign, or there is no identity to sign with.',
    action:
      'In GitHub Actions, give the job `permissions: id-token: write`; elsewhere, set `SIGSTORE_ID_TOKEN`. Then run it again.',
  },
  SYSROOT: {
    means: 'The C library, or another library that the executable needs, cannot be provided.',
    action:
      'If a library is missing, add its package to `sysrootPackages` in `prebuilt.json`, then run `npx nx g @prebuilt/nx:lock`. If `apt-get` or `dpkg-deb` is missing, write the lock on Debian or Ubuntu, or specify a folder with `--sysroot`.',
  },
  SYSROOT_INTEGRITY: {
    means:
      'A sysroot package from a mirror or in `.cache/prebuilt` does not match the lock.',
    action: 'Before you continue, find out which of them was altered.',
  },
  SYSROOT_UNAVAILABLE: {
    means: 'No mirror has a package that the lock pins.',
    action: 'Build once while a mirror is reachable, or run `npx nx g @prebuilt/nx:lock --refresh`.',
  },
  TAG_EXISTS: {
    means: 'The registry has this version with different content.',
    action: 'Release another version. `--allow-retag` overwrites the tag, even for those who have already pulled it.',
  },
  TOOLCHAIN: {
    means: 'The compiler is missing or too old, or it cannot compile the project.',
    action:
      'The message says what to install or change; each toolchain has a [page](../toolchains/go.md).',
  },
  UNCOMMITTED: {
    means: 'The sources have uncommitted changes, so they differ from the release’s commit.',
    action:
      'Commit the changes, and release that commit as a new version. To release anyway, use `--allow-uncommitted`.',
  },
  UNKNOWN_HISTORY: {
    means: 'This clone lacks tags, so it is unknown whether the version is the highest.',
    action:
      'In a shallow clone, run `git fetch --unshallow --tags`; in a workflow, set `fetch-depth: 0` for the checkout. If the version itself has no tag, run `git tag v1.2.3`, or `git fetch --tags` if it exists elsewhere.',
  },
  VERIFY_REPORT: {
    means: 'The executables were not verified, failed verification, or were rebuilt afterwards.',
    action: 'Run `verify`, and read its findings.',
  },
  VERSION: {
    means:
      'There is no version to release, since neither `RELEASE_VERSION` nor a tag at HEAD specifies one; or the build has a different version; or git failed.',
    action: 'Tag the commit (`git tag v1.2.3`) or set `RELEASE_VERSION`, then build again.',
  },
  INVALID_DIGEST: {
    means: 'Something that must be a digest (`sha256:` and 64 digits) is not one.',
    action: 'Correct the digest in the message.',
  },
  INVALID_LAYOUT: {
    means: 'An image layout, or a document in it, is damaged or exceeds a limit.',
    action: 'Run `docker-release` again.',
  },
  DIGEST_MISMATCH: {
    means: 'Content does not match its digest: it was changed on disk or in transit.',
    action:
      'On disk: run `docker-release` again. From a registry: find out what changes it before you continue.',
  },
  SIZE_MISMATCH: {
    means: 'Content does not have the size in its descriptor.',
    action:
      'On disk: run `docker-release` again. From a registry: run it again, then check for proxies in between.',
  },
  INVALID_LAYER: {
    means: 'A layer is damaged, or in a form that programs interpret differently.',
    action: 'Build the image again with `docker-release`. If the error persists, report it with the message.',
  },
  LAYER_LIMIT: {
    means: 'A layer contains more, or unpacks to more, than planned.',
    action: 'Build the image again with `docker-release`. From a registry: find out what changes it.',
  },
  INVALID_ARCHIVE: {
    means:
      'An archive is damaged, is in a form that programs interpret differently, or would put files elsewhere.',
    action: 'Pack it again with a common tool, or list the unpacked folder in `image.files`.',
  },
  ARCHIVE_LIMIT: {
    means: 'An archive contains more, or unpacks to more, than is allowed.',
    action: 'Unpack it, and list the folder in `image.files`.',
  },
  INVALID_REFERENCE: {
    means: 'The name of an image or repository is not valid.',
    action: 'Write it as `registry/owner/name`, in lowercase and without a tag.',
  },
  CREDENTIALS: {
    means: 'The credentials for a registry cannot be read: a broken file, or a helper that failed.',
    action:
      'Log in again (`docker login`, `podman login`), or set `REGISTRY_USERNAME` and `REGISTRY_PASSWORD`.',
  },
  REGISTRY_UNAVAILABLE: {
    means: 'The registry did not respond, or kept failing after several attempts.',
    action: 'Check its host name, the network and its certificate (`--ca-file`); then run it again.',
  },
  REGISTRY_REFUSED: {
    means: 'The registry rejected a request for its own reasons.',
    action: 'The message quotes the registry.',
  },
  REGISTRY_UNAUTHORIZED: {
    means: 'The registry does not accept the credentials, or they lack a permission.',
    action: 'Log in to exactly this host, with a token that may write to the repository.',
  },
  REGISTRY_NOT_FOUND: {
    means: 'The registry has no such repository, manifest or blob.',
    action: 'Check the name. Some registries (Amazon ECR) require you to create a repository first.',
  },
  REGISTRY_RESPONSE: {
    means: 'The registry sent a response that the specification does not allow.',
    action: 'Check for anything in between (a proxy, a login page); otherwise, report it with the message.',
  },
  NOT_ELF: {
    means: 'The file is not an ELF executable.',
    action: 'Point the toolchain at the executable itself, not at a script that starts it.',
  },
  TRUNCATED: {
    means: 'The file is truncated.',
    action: 'Build it again.',
  },
  MALFORMED: {
    means: 'The file contradicts itself or exceeds a limit.',
    action: 'Build it again, without tools that rewrite executables (packers, some strippers).',
  },
  ENOSPC: {
    means: 'The disk is full.',
    action: 'Free some space and run it again. Existing output is unchanged.',
  },
  EDQUOT: {
    means: 'The disk quota is used up.',
    action: 'Free some space and run it again. Existing output is unchanged.',
  },
  EACCES: {
    means: 'This user may not write to a folder.',
    action: 'Change its owner or mode.',
  },
  EPERM: {
    means: 'An operation is not permitted for this user.',
    action: 'Check the folder’s owner and mode.',
  },
  EROFS: {
    means: 'The file system is read-only.',
    action: 'Choose another folder, or mount it writable.',
  },
};

/** Every finding of `verify`. */
export const FINDINGS: Readonly<Record<FindingCode, Meaning>> = {
  EXECUTABLE_STACK: {
    means: 'The executable requests an executable stack.',
    action: 'Link it with `-z noexecstack`; usually, an assembly file lacks the `.note.GNU-stack` section.',
  },
  EXECUTION_FAILED: {
    means: 'The executable did not start, did not exit in time, or exited with a code other than 0.',
    action:
      'Try the command in the message. If the program needs other arguments, set `verify.smoke` in `prebuilt.json`.',
  },
  INVALID_CHECKSUMS: { means: '`checksums.txt` cannot be read.', action: 'Build again.' },
  MISSING_FILE: { means: 'A file in the manifest is missing.', action: 'Build again.' },
  MISSING_INTERPRETER: {
    means: 'The executable’s loader is not among its runtime files.',
    action: 'Build again; with `import`, link statically or against the C library in the lock.',
  },
  MISSING_LIBRARY: {
    means: 'A library that the executable needs is not among its runtime files.',
    action: 'Add its Debian package to `sysrootPackages` in `prebuilt.json`.',
  },
  MISSING_VERSION: {
    means: 'A library lacks a symbol version that the executable needs: it was linked against a newer one.',
    action: 'Compile against the C library in the lock, or refresh the lock.',
  },
  NOT_ELF: { means: 'The file is not an ELF executable.', action: 'Point the toolchain at the executable.' },
  NOT_EXECUTABLE: {
    means: 'The file is a library or an object, not an executable.',
    action: 'Point the toolchain at the executable.',
  },
  NOT_EXECUTED: {
    means: 'The executable was not run: this machine has a different platform, and there is no emulator.',
    action:
      'A warning, unless `--require-execution` is given. Lock an emulator with `npx nx g @prebuilt/nx:lock`.',
  },
  NOT_REGULAR: { means: 'There is a link or a folder where a file must be.', action: 'Build again.' },
  OTHER_THAN_MANIFEST: {
    means:
      'The modules or crates that the executable declares, or the content of a listed archive, do not match the manifest.',
    action: 'Build again.',
  },
  RPATH: {
    means: 'The executable contains a library search path from the machine it was built on.',
    action: 'Link it without `-rpath`.',
  },
  RUNPATH: {
    means: 'The executable contains a library search path from the machine it was built on.',
    action: 'Link it without `-rpath`.',
  },
  TIMEOUT: {
    means: 'The executable did not exit in time.',
    action:
      'If it waits for input or runs forever without arguments, set `verify.smoke` in `prebuilt.json`. If it is slow, set `--timeout`.',
  },
  TRUNCATED: { means: 'The file is truncated.', action: 'Build again.' },
  MALFORMED: {
    means: 'The file contradicts itself or exceeds a limit.',
    action: 'Build again, without tools that rewrite executables.',
  },
  UNEXPECTED_FILE: {
    means: 'There is a file that is not in the manifest.',
    action: 'Remove it, or build again.',
  },
  UNEXPECTED_INTERPRETER: {
    means: 'The executable’s loader path belongs to the machine it was built on.',
    action: 'Link against the C library in the lock, or statically.',
  },
  UNREADABLE: { means: 'The file cannot be read.', action: 'Check its owner and mode.' },
  WRONG_CHECKSUM: {
    means: '`checksums.txt` and the manifest give different SHA-256 hashes for a file.',
    action: 'Build again.',
  },
  WRONG_HASH: {
    means: 'A file’s SHA-256 does not match the manifest.',
    action: 'Build again, and find out what changed it.',
  },
  WRONG_MACHINE: {
    means: 'The executable is for a different platform than its name says.',
    action: 'Check the compiler options for the platform, or the paths of `import`.',
  },
  WRONG_MODE: {
    means: 'A file has the wrong mode (0755 is required for executables).',
    action: 'CI artifacts lose the executable bit: pack them as a tar file.',
  },
  WRONG_SIZE: { means: 'A file’s size does not match the manifest.', action: 'Build again.' },
  WRONG_VERSION: {
    means: 'The program does not print the build’s version.',
    action:
      'Have the program read the version from where the build puts it, or set `verify.printsVersion` to false in `prebuilt.json`.',
  },
};
