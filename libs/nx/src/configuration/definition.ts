import * as v from 'valibot';

const name = v.pipe(
  v.string(),
  v.regex(
    /^[a-z0-9][a-z0-9._-]{0,100}$/,
    'lowercase letters, digits, ".", "_" and "-", starting with a letter or digit, at most 101 characters',
  ),
);

const path = v.pipe(v.string(), v.minLength(1, 'a path'));
const text = v.pipe(v.string(), v.minLength(1, 'a string that is not empty'));

const toolchain = v.union(
  [text, v.looseObject({ name: text })],
  'a toolchain’s name, or an object with a "name"',
);

const repository = v.union(
  [text, v.pipe(v.array(text), v.minLength(1, 'at least one repository'))],
  'a repository such as "ghcr.io/acme/server", or a list of them',
);

const listedFile = v.strictObject({
  path: v.pipe(path, v.description('A file or folder in the workspace, relative to this folder.')),
  to: v.optional(
    v.pipe(path, v.description('Its absolute path in the image. Defaults to its name, at the root.')),
  ),
  mode: v.optional(
    v.pipe(
      text,
      v.description(
        'The octal mode of files, such as "0640". Defaults to 0755 for executable files, otherwise 0644.',
      ),
    ),
  ),
  owner: v.optional(
    v.pipe(
      text,
      v.description('The numeric user and group, such as "1000:1000", or nonroot. Defaults to root.'),
    ),
  ),
});

const image = v.strictObject({
  repository: v.optional(
    v.pipe(repository, v.description('Where the image is published, without a tag: ghcr.io/acme/server.')),
  ),
  dockerfile: v.optional(
    v.pipe(
      path,
      v.description(
        'The Dockerfile, relative to this folder. Defaults to Dockerfile.release if there is one; otherwise a minimal one is generated.',
      ),
    ),
  ),
  requireFullProof: v.optional(
    v.pipe(
      v.boolean('true or false'),
      v.description(
        'Refuses a Dockerfile that executes something (RUN, COPY --from, # syntax=, ADD of some archives), since not every file in its image can be proven. Defaults to false.',
      ),
    ),
  ),
  files: v.optional(
    v.pipe(
      v.array(
        v.union([text, listedFile], 'a built-in, a path, or an object with a "path"'),
        'a list such as ["ca-certificates", "LICENSE"]',
      ),
      v.description(
        'What the image contains besides the executable: files and folders in the workspace, and the built-ins ca-certificates, tzdata, users (passwd and group with nonroot) and tmp.',
      ),
    ),
  ),
  title: v.optional(
    v.pipe(text, v.description('The label org.opencontainers.image.title. Defaults to the program’s name.')),
  ),
  source: v.optional(
    v.pipe(
      text,
      v.description(
        'The label org.opencontainers.image.source, a URL. Defaults to the repository in the workspace’s package.json.',
      ),
    ),
  ),
  licenses: v.optional(
    v.pipe(
      text,
      v.description(
        'The label org.opencontainers.image.licenses, an SPDX expression. Defaults to the license in the workspace’s package.json.',
      ),
    ),
  ),
  compression: v.optional(
    v.pipe(v.picklist(['gzip', 'zstd'], '"gzip" or "zstd"'), v.description('How layers are compressed.')),
  ),
  compressionLevel: v.optional(
    v.pipe(
      v.number(),
      v.integer(),
      v.minValue(1),
      v.maxValue(19),
      v.description('The zstd level, from 1 (fast) to 19 (small). Defaults to 3.'),
    ),
  ),
});

/**
 * prebuilt.json, which configures a project. Every key is optional. The package's JSON Schema is generated from this
 * definition.
 */
export const configurationDefinition = v.strictObject({
  $schema: v.optional(v.string()),
  name: v.optional(
    v.pipe(
      name,
      v.description(
        'The program’s name; its files are called <name>-<os>-<arch>. Defaults to the project’s name without scope.',
      ),
    ),
  ),
  toolchain: v.optional(
    v.pipe(
      toolchain,
      v.description(
        'The toolchain that compiles the program: its name, or an object with its name and options. Defaults to the one detected from the files next to prebuilt.json.',
      ),
    ),
  ),
  platforms: v.optional(
    v.pipe(
      v.array(text, 'a list of platforms such as ["linux/amd64"]'),
      v.minLength(1, 'at least one platform'),
      v.description(
        'The platforms to compile for, in Docker’s vocabulary. Defaults to linux/amd64 and linux/arm64.',
      ),
    ),
  ),
  sysrootPackages: v.optional(
    v.pipe(
      v.array(text, 'a list of packages such as ["libgcc-s1"]'),
      v.description(
        'Debian packages whose libraries the executables need besides libc6, such as libgcc-s1 and libstdc++6.',
      ),
    ),
  ),
  sysroot: v.optional(
    v.pipe(
      path,
      v.description(
        'A folder, relative to this one, with a sysroot for each platform (linux-amd64, linux-arm64), used instead of the packages in prebuilt.lock.json.',
      ),
    ),
  ),
  verify: v.optional(
    v.pipe(
      v.strictObject({
        smoke: v.optional(
          v.pipe(
            v.union(
              [v.literal(false), v.pipe(v.array(v.array(v.string())), v.minLength(1, 'at least one run'))],
              'a list of argument lists such as [["version"]], or false',
            ),
            v.description(
              'The arguments for each test run of an executable; each run must exit with 0. Defaults to [["--version"], ["--help"]]. Set false for a program that can’t be run this way: then only its structure is verified.',
            ),
          ),
        ),
        printsVersion: v.optional(
          v.pipe(
            v.boolean('true or false'),
            v.description('Whether the first run must print the version. Defaults to true.'),
          ),
        ),
      }),
      v.description('How executables are tested.'),
    ),
  ),
  image: v.optional(
    v.pipe(
      v.union([v.literal(false), image], 'an object, or false for a program without an image'),
      v.description('The container image; false for none.'),
    ),
  ),
  page: v.optional(
    v.pipe(v.boolean('true or false'), v.description('Whether the program has a release page on GitHub.')),
    true,
  ),
  output: v.optional(
    v.pipe(
      path,
      v.description(
        'The folder for all build output, relative to the workspace root. Defaults to dist/<the project’s folder>.',
      ),
    ),
  ),
});

/** The content of a project's prebuilt.json. */
export type Configuration = Readonly<v.InferOutput<typeof configurationDefinition>>;
