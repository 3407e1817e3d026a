import type { ElfErrorCode } from '@prebuilt/elf';
import type { OciErrorCode } from '@prebuilt/oci';
import type { DockerfileErrorCode } from '../src/dockerfile/errors.ts';
import type { PrebuiltErrorCode } from '../src/errors.ts';
import type { SystemErrorCode } from '../src/executors/failures.ts';
import type { FindingCode } from '../src/executors/verify/inspect-files.ts';

/** What an error means to someone who runs into it, and what to do about it. */
export interface Meaning {
  readonly means: string;
  readonly action: string;
}

/** Every code that a target or generator can end with. */
export const ERRORS: Readonly<
  Record<PrebuiltErrorCode | DockerfileErrorCode | OciErrorCode | ElfErrorCode | SystemErrorCode, Meaning>
> = {
  ARTIFACT_CHANGED: {
    means:
      'A file in `bin` is not the one that the manifest names: it was changed or replaced, or lost its mode.',
    action:
      'Build again with `build-binaries`. If the files came from a CI artifact, pack them as a tar: artifacts lose the executable bit.',
  },
  BASE_IMAGE: {
    means:
      'No image can be built on the base that `FROM` names, or the base is not what its registry says it is.',
    action:
      'The message says what was expected of the base. Use another base, or another digest of this one.',
  },
  BUILDER: {
    means: 'The image builder cannot do what is asked, or wrote something other than what was planned.',
    action: 'The message says what it lacks and how to provide it. `--builder=daemonless` needs no engine.',
  },
  BUILD_METADATA: {
    means: 'The version has build metadata (`+…`), which no tag can contain.',
    action: 'Publish it without build metadata, or as a prerelease.',
  },
  COMPILE_FAILED: {
    means: 'The compiler failed. Its own output is above the message.',
    action: 'Correct what the compiler names. The executables of the last build are still there.',
  },
  CONFIGURATION: {
    means: 'A `prebuilt.json` file or the plugin options in `nx.json` are invalid.',
    action:
      'The message lists every problem with its path. An editor that supports `$schema` shows them too.',
  },
  DOCKERFILE_COPY: {
    means:
      'A `COPY` or `ADD` names something that is not in the build context, or it cannot be done: a file is where a folder must be, or an owner is not in the list of users.',
    action:
      'The message names the line. To copy other files of the workspace, list them in `image.files`; [Dockerfile.release](dockerfile.md) says what the context contains.',
  },
  DOCKERFILE_REFUSED: {
    means:
      'The Dockerfile contains something that builders read differently, or that needs a builder that is not available.',
    action:
      'The message names the line and what to write instead. [Dockerfile.release](dockerfile.md) has the whole list. Executing something needs buildx.',
  },
  DOCKERFILE_SYNTAX: {
    means: 'The Dockerfile cannot be read.',
    action: 'The message names the line, what was expected there, and what was found.',
  },
  ENGINE: {
    means:
      'No container engine answers, or it refused something. Only `docker-build` and `docker-load` need one; on a Mac, `verify` uses one if it answers.',
    action:
      'Start the engine. `docker-release` can make the image without one. On a Mac, `verify` then checks only the structure.',
  },
  GITHUB: {
    means: 'GitHub refused a request, did not answer, or answered with something unexpected.',
    action:
      'HTTP 401 or 403: the token lacks a permission (`contents: write`), or the rate limit is reached, and the message says until when. Otherwise run it again.',
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
    means:
      '`checksums.txt` is not in the format of `sha256sum`, or does not name the same files as the manifest.',
    action: 'Build again with `build-binaries`.',
  },
  INVALID_MANIFEST: {
    means: '`manifest.json` cannot be read, or is from another version of the plugin.',
    action: 'Build again with `build-binaries`.',
  },
  INVALID_NAME: {
    means: 'A program or executable has a name that cannot be part of a file name or image name.',
    action: 'Give it another `name` in `prebuilt.json`, of lowercase letters, digits, `.`, `_` and `-`.',
  },
  INVALID_OPTIONS: {
    means: 'An option has an invalid value, or contradicts another one.',
    action: 'The message says which one. [Targets and options](targets.md) lists what each option accepts.',
  },
  INVALID_PLATFORM: {
    means: 'A platform is not supported, or is given twice.',
    action: 'Write it as Docker does: `linux/amd64`, `linux/arm64`, `linux/arm/v7`.',
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
    action: 'It belongs to another build: release that build, or give the new one a new version.',
  },
  INVALID_TAG: {
    means: 'The version makes a tag that is longer than the 128 characters that registries allow.',
    action: 'Use a shorter prerelease part.',
  },
  INVALID_VERSION: {
    means: 'The version is not SemVer 2.0.0.',
    action: 'Set `RELEASE_VERSION=1.2.3`, or push a tag with a valid version: `v1.2.3`.',
  },
  LOCKFILE: {
    means: '`prebuilt.lock.json` lacks a line that this build needs, or cannot be read.',
    action:
      'Run `npx nx g @prebuilt/nx:lock` on Debian or Ubuntu (a container will do), and commit the file.',
  },
  MANIFEST_MISSING: {
    means: 'There are no executables yet: `bin/manifest.json` does not exist.',
    action: 'Run `build-binaries` first.',
  },
  OUTPUT: {
    means: 'The output folder contains something that this target did not write and would replace.',
    action: 'Move the file, or choose another `output` in `prebuilt.json`. Nothing was changed.',
  },
  PROOF_REDUCED: {
    means:
      'The Dockerfile executes something, or takes files that nobody verified, so not every file of the image can be proven, and `--require-full-proof` or `image.requireFullProof` requires that.',
    action:
      'Write the Dockerfile without `RUN`, `COPY --from`, `# syntax=`, and `ADD` of archives in bzip2 or xz or with devices: certificates, time zones, users and `/tmp` are built into `image.files`. Or accept the reduced proof and remove the option.',
  },
  PUBLISH: {
    means:
      'The image in `oci` is not the one that follows from the executables, the Dockerfile and the options.',
    action: 'Run `docker-release` again, with the same Dockerfile and the same options as `docker-publish`.',
  },
  READ_BACK: {
    means: 'The registry returned something other than what was verified. No tag was moved.',
    action:
      'Find out why before you do anything else: it may be a proxy, a registry that rewrites images, or an attack.',
  },
  RELEASE_CONFLICT: {
    means: 'GitHub already has a release or a tag for this version, with other files or at another commit.',
    action:
      'A published release never changes: release the next version. If it is an unwanted draft, delete it on its page and run it again. If the message says that the tag moved, move it back with the command that it shows, and delete nothing, unless `TAG_EXISTS` tells you to. If HEAD has moved on since the tag, check the tag out first (`git checkout v1.2.3`).',
  },
  RELEASE_INCOMPLETE: {
    means: 'The draft lacks assets, or the image was not published yet.',
    action:
      'Run `github-draft`, then `docker-publish`, then `github-release`, or `nx release publish`, which runs all three. If `nx release publish` itself reports it, the error above it says what to correct.',
  },
  RUNTIME_INTEGRITY: {
    means: 'A Bun runtime, from the registry or in `.cache/prebuilt`, is not the one that the lock pins.',
    action: 'Find out which one was altered before you go on.',
  },
  RUNTIME_UNAVAILABLE: {
    means: 'A Bun runtime cannot be fetched from the npm registry.',
    action:
      'Build once while the registry can be reached, or fetch everything in advance with `npx nx g @prebuilt/nx:lock --fetch`.',
  },
  SBOM: {
    means:
      'A bill of materials is missing or invalid, or a registry did not accept it and `--require-sbom` is set.',
    action:
      'Run `sbom`. Without `--require-sbom`, a registry that accepts no attachments does not stop a release.',
  },
  SEVERAL_VERSION_TAGS: {
    means: 'HEAD has more than one version tag of this project.',
    action: 'Choose one: `RELEASE_VERSION=1.2.3`.',
  },
  SIGN: {
    means: 'Sigstore did not sign, or there is no identity to sign with.',
    action:
      'In GitHub Actions, give the job `permissions: id-token: write`; elsewhere set `SIGSTORE_ID_TOKEN`. Then run it again.',
  },
  SYSROOT: {
    means: 'The C library, or another library that the executable needs, cannot be provided.',
    action:
      'If a library is missing, add its package to `sysrootPackages` in `prebuilt.json`, then run `npx nx g @prebuilt/nx:lock`. If `apt-get` or `dpkg-deb` is missing, write the lock on Debian or Ubuntu, or give a folder with `--sysroot`.',
  },
  SYSROOT_INTEGRITY: {
    means:
      'A package of the sysroot, from a mirror or in `.cache/prebuilt`, is not the one that the lock pins.',
    action: 'Find out which one was altered before you go on.',
  },
  SYSROOT_UNAVAILABLE: {
    means: 'No mirror has a package that the lock pins.',
    action: 'Build once while a mirror can be reached, or run `npx nx g @prebuilt/nx:lock --refresh`.',
  },
  TAG_EXISTS: {
    means: 'The registry already has this version with different content.',
    action:
      'If the message names a commit, the git tag was at that one when the image was published: delete the draft on GitHub, if there is one, and move the tag back with the command that the message shows. Otherwise release another version. `--allow-retag` overwrites the tag, even if others have pulled it.',
  },
  TOOLCHAIN: {
    means: "The compiler is missing or too old, or can't compile this project.",
    action: 'The message says what to install or change; each toolchain has a [page](../toolchains/go.md).',
  },
  UNCOMMITTED: {
    means: 'The sources differ from the commit that the release would name.',
    action:
      'Commit the change, and release that commit with its own version. `--allow-uncommitted` on `github-draft`, `docker-publish` and `github-release` releases it anyway; `nx release publish` has no such option.',
  },
  UNKNOWN_HISTORY: {
    means: 'This clone lacks tags, so it is unknown whether the version is the highest.',
    action:
      'In a shallow clone, run `git fetch --unshallow --tags`; in a workflow, set `fetch-depth: 0` for the checkout. If the version itself has no tag, run `git tag v1.2.3`, or `git fetch --tags` if another clone has it.',
  },
  VERIFY_REPORT: {
    means: 'The executables were not verified, failed verification, or have been built again since.',
    action: 'Run `verify`, and read its findings.',
  },
  VERSION: {
    means:
      'There is no version to release, since neither `RELEASE_VERSION` nor a tag at HEAD names one; or the build has another version; or git could not be run.',
    action: 'Tag the commit (`git tag v1.2.3`) or set `RELEASE_VERSION`, then build again.',
  },
  INVALID_DIGEST: {
    means: 'Something that must be a digest (`sha256:` and 64 digits) is not one.',
    action: 'Correct the digest that the message names.',
  },
  INVALID_LAYOUT: {
    means: 'An image layout or a document in it is damaged, or exceeds a limit.',
    action: 'Run `docker-release` again.',
  },
  DIGEST_MISMATCH: {
    means: 'Content does not match its digest: it was changed on disk or on the way.',
    action:
      'If it is on disk, run `docker-release` again. If it is from a registry, find out what changes it before you go on.',
  },
  SIZE_MISMATCH: {
    means: 'Content does not have the size that its descriptor states.',
    action:
      'If it is on disk, run `docker-release` again. If it is from a registry, run it again, then check the proxies in between.',
  },
  INVALID_LAYER: {
    means: 'A layer is written in a way that programs read differently, or is damaged.',
    action:
      'Make the image again with `docker-release`. If the error comes back, report it with the message.',
  },
  LAYER_LIMIT: {
    means: 'A layer contains more, or unpacks to more, than was planned.',
    action:
      'Make the image again with `docker-release`. If the layer is from a registry, find out what changes it.',
  },
  INVALID_ARCHIVE: {
    means:
      'An archive is damaged, is written in a way that programs read differently, or would put files elsewhere.',
    action: 'Pack it again with a common program, or list the unpacked folder in `image.files`.',
  },
  ARCHIVE_LIMIT: {
    means: 'An archive contains more, or unpacks to more, than the limit allows.',
    action: 'Unpack it, and list the folder in `image.files`.',
  },
  INVALID_REFERENCE: {
    means: 'The name of an image or repository is not valid.',
    action: 'Write it as `registry/owner/name`, in lower case and without a tag.',
  },
  CREDENTIALS: {
    means: 'The credentials for a registry cannot be read: a broken file, or a helper that failed.',
    action:
      'Log in again (`docker login`, `podman login`), or set `REGISTRY_USERNAME` and `REGISTRY_PASSWORD`.',
  },
  REGISTRY_UNAVAILABLE: {
    means: 'The registry did not answer, or kept failing after several attempts.',
    action: 'Check the name of its host, the network and its certificate (`--ca-file`); then run it again.',
  },
  REGISTRY_REFUSED: {
    means: 'The registry rejected a request for its own reasons.',
    action: 'The message quotes the registry.',
  },
  REGISTRY_UNAUTHORIZED: {
    means: "The registry does not accept the credentials, or they don't allow this.",
    action: 'Log in to exactly this host, with a token that may write to the repository.',
  },
  REGISTRY_NOT_FOUND: {
    means: 'The registry has no such repository, manifest or blob.',
    action: 'Check the name. In some registries (Amazon ECR) you must create the repository first.',
  },
  REGISTRY_RESPONSE: {
    means: 'The registry sent a response that the specification does not allow.',
    action: 'Check for something in between (a proxy, a login page); otherwise report it with the message.',
  },
  NOT_ELF: {
    means: 'The file is not an ELF executable.',
    action: 'Point the toolchain at the executable itself, not at a script that starts it.',
  },
  TRUNCATED: {
    means: 'The file ends before the content that it announces.',
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
    means: 'This user cannot write to a folder.',
    action: 'Change its owner or its mode.',
  },
  EPERM: {
    means: 'This user is not permitted to do something.',
    action: 'Check the owner and the mode of the folder.',
  },
  EROFS: {
    means: 'The file system is read-only.',
    action: 'Choose another folder, or mount it writable.',
  },
};

/** Every finding of `verify`. */
export const FINDINGS: Readonly<Record<FindingCode, Meaning>> = {
  EXECUTABLE_STACK: {
    means: 'The executable asks for a stack from which code can run.',
    action:
      'Link it with `-z noexecstack`. Usually the cause is an assembly file without the note that says so.',
  },
  EXECUTION_FAILED: {
    means: 'The executable did not start, did not exit in time, or exited with a code other than 0.',
    action:
      'Try the command that the message shows. If the program takes other arguments, set `verify.smoke` in `prebuilt.json`.',
  },
  INVALID_CHECKSUMS: { means: '`checksums.txt` cannot be read.', action: 'Build again.' },
  MISSING_FILE: { means: 'A file that the manifest names is not there.', action: 'Build again.' },
  MISSING_INTERPRETER: {
    means: 'The loader that the executable names is not among its runtime files.',
    action: 'Build again. With `import`, link statically or against the C library from the lock.',
  },
  MISSING_LIBRARY: {
    means: 'A library that the executable needs is not among its runtime files.',
    action: 'Add its Debian package to `sysrootPackages` in `prebuilt.json`.',
  },
  MISSING_VERSION: {
    means: 'A library lacks a symbol version that the executable needs: it was linked against a newer one.',
    action: 'Compile against the C library from the lock, or refresh the lock.',
  },
  NOT_ELF: { means: 'The file is not an ELF executable.', action: 'Point the toolchain at the executable.' },
  NOT_EXECUTABLE: {
    means: 'The file is a library or an object, not an executable.',
    action: 'Point the toolchain at the executable.',
  },
  NOT_EXECUTED: {
    means:
      "The executable was not run: it is for another platform than this machine's, and there is no emulator.",
    action:
      'This is only a warning, unless `--require-execution` is given. Add an emulator to the lock with `npx nx g @prebuilt/nx:lock`.',
  },
  NOT_REGULAR: { means: 'There is a link or a folder where a file must be.', action: 'Build again.' },
  OTHER_THAN_MANIFEST: {
    means:
      'What the executable says about itself (its modules or crates), or the content of a listed archive, does not match the manifest.',
    action: 'Build again.',
  },
  RPATH: {
    means: 'The executable contains a search path from the machine that built it.',
    action: 'Link it without `-rpath`.',
  },
  RUNPATH: {
    means: 'The executable contains a search path from the machine that built it.',
    action: 'Link it without `-rpath`.',
  },
  TIMEOUT: {
    means: 'The executable did not exit in time.',
    action:
      'Does it wait for input, or run forever without arguments? Set `verify.smoke` in `prebuilt.json`, or `--timeout`.',
  },
  TRUNCATED: { means: 'The file ends before the content that it announces.', action: 'Build again.' },
  MALFORMED: {
    means: 'The file contradicts itself or exceeds a limit.',
    action: 'Build again, without tools that rewrite executables.',
  },
  UNEXPECTED_FILE: {
    means: 'There is a file that the manifest does not name.',
    action: 'Remove it, or build again.',
  },
  UNEXPECTED_INTERPRETER: {
    means: 'The executable names a loader at a path that belongs to the machine that built it.',
    action: 'Link against the C library from the lock, or statically.',
  },
  UNREADABLE: { means: 'The file cannot be read.', action: 'Check its owner and mode.' },
  WRONG_CHECKSUM: {
    means: '`checksums.txt` and the manifest give different SHA-256 hashes for a file.',
    action: 'Build again.',
  },
  WRONG_HASH: {
    means: 'The SHA-256 of a file is not the one in the manifest.',
    action: 'Build again, and find out what changed it.',
  },
  WRONG_MACHINE: {
    means: 'The executable is for a different platform from the one in its name.',
    action: 'Check the compiler options for the platform, or the paths in `import`.',
  },
  WRONG_MODE: {
    means: 'A file does not have its mode (0755 for executables).',
    action: 'CI artifacts lose the executable bit: pack the files as a tar.',
  },
  WRONG_SIZE: { means: 'The size of a file is not the one in the manifest.', action: 'Build again.' },
  WRONG_VERSION: {
    means: 'The program does not print the version that was built.',
    action:
      'Take the version from where the build puts it, or set `verify.printsVersion` to false in `prebuilt.json`.',
  },
};
