/**
 * A compiler: writes a static executable that prints its name and version, whatever its arguments, and exits.
 * https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
 */
const COMPILER = `import { readFileSync, writeFileSync } from 'node:fs';

const [source, version, output] = process.argv.slice(2);
const text = Buffer.from(\`\${readFileSync(source, 'utf8').trim()} \${version}\\n\`);
const START = 64 + 2 * 56;
const BASE = 0x400000;
const bytes = (...values) => Buffer.from(values);
const le32 = (value) => bytes(value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24);
// write(1, text, length), then exit(0).
const code = Buffer.concat([
  bytes(0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0, 0x48, 0x8d, 0x35), le32(16),
  bytes(0xba), le32(text.length), bytes(0x0f, 0x05),
  bytes(0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05),
]);
const file = Buffer.concat([Buffer.alloc(START), code, text]);
file.write('\\x7fELF\\x02\\x01\\x01', 'latin1');
file.writeUInt16LE(2, 16);
file.writeUInt16LE(62, 18);
file.writeUInt32LE(1, 20);
file.writeBigUInt64LE(BigInt(BASE + START), 24);
file.writeBigUInt64LE(64n, 32);
for (const [value, offset] of [[64, 52], [56, 54], [2, 56], [64, 58]]) file.writeUInt16LE(value, offset);
// A loaded segment with the whole file, and a non-executable stack.
for (const [index, [type, flags, address, size]] of [[1, 5, BASE, file.length], [0x6474e551, 6, 0, 0]].entries()) {
  const at = 64 + index * 56;
  file.writeUInt32LE(type, at);
  file.writeUInt32LE(flags, at + 4);
  for (const [value, offset] of [[address, 16], [address, 24], [size, 32], [size, 40], [0x1000, 48]]) {
    file.writeBigUInt64LE(BigInt(value), at + offset);
  }
}
writeFileSync(output, file, { mode: 0o755 });
`;

function program(name: string, more: object = {}): Readonly<Record<string, string>> {
  const folder = `services/${name}`;
  return {
    [`${folder}/project.json`]: JSON.stringify({ name }),
    [`${folder}/source.txt`]: `${name}\n`,
    [`${folder}/prebuilt.json`]: JSON.stringify({
      platforms: ['linux/amd64'],
      toolchain: {
        name: 'command',
        command: ['node', '../../compile.mjs', 'source.txt', '{version}', '{output}'],
        inputs: ['{projectRoot}/source.txt', '{workspaceRoot}/compile.mjs'],
      },
      ...more,
    }),
  };
}

/** The release settings in nx.json: independent programs, two programs that share a version, and an npm package. */
export const RELEASE = {
  // Nx finds the workspace's last release by this pattern, even if each group has its own.
  releaseTag: { pattern: '{projectName}@{version}' },
  // There is no lockfile: Nx would have npm make one at each release.
  version: { versionActionsOptions: { skipLockFileUpdate: true } },
  groups: {
    programs: {
      projects: ['agent', 'relay'],
      projectsRelationship: 'independent',
      releaseTag: { pattern: '{projectName}@{version}' },
      changelog: true,
    },
    suite: {
      projects: ['left', 'right'],
      projectsRelationship: 'fixed',
      releaseTag: { pattern: 'suite-v{version}' },
    },
    packages: {
      projects: ['@acme/util'],
      projectsRelationship: 'independent',
      releaseTag: { pattern: '{projectName}@{version}' },
    },
  },
};

/** Four small programs, one without a page and one without an image, and an npm package. */
export const RELEASED: Readonly<Record<string, string>> = {
  'compile.mjs': COMPILER,
  ...program('agent'),
  ...program('relay'),
  ...program('left', { page: false }),
  ...program('right', { image: false }),
  'packages/util/package.json': JSON.stringify({
    name: '@acme/util',
    version: '0.0.0',
    license: 'MIT',
    main: 'index.js',
  }),
  'packages/util/index.js': 'module.exports = 1;\n',
};
