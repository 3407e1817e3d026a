/** A TypeScript program that only prints its version. */
export const SERVER: Readonly<Record<string, string>> = {
  'apps/server/package.json': JSON.stringify({ name: 'server', private: true, type: 'module' }),
  'apps/server/src/main.ts': `const version: string = process.env.RELEASE_VERSION ?? 'unknown';
console.log(process.argv.includes('--help') ? 'server: says its version' : \`server \${version}\`);
`,
};

/**
 * A program built by another tool: a script that acts as a compiler without dependencies, and writes a static
 * executable per platform. It prints the version in version.txt, whatever its arguments.
 * https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
 */
export const TOOL: Readonly<Record<string, string>> = {
  'apps/tool/package.json': JSON.stringify({ name: 'tool', private: true, type: 'module' }),
  'apps/tool/project.json': JSON.stringify({
    name: 'tool',
    targets: {
      make: {
        command: 'node apps/tool/make.mjs',
        cache: true,
        inputs: ['{projectRoot}/make.mjs', '{projectRoot}/version.txt'],
        outputs: ['{projectRoot}/out'],
      },
    },
  }),
  'apps/tool/version.txt': '1.2.3\n',
  'apps/tool/make.mjs': `import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const text = Buffer.from(\`tool \${readFileSync('apps/tool/version.txt', 'utf8')}\`);
const START = 64 + 2 * 56;
const BASE = 0x400000;

const bytes = (...values) => Buffer.from(values);
const le32 = (value) => bytes(value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24);

// write(1, text, length), then exit(0).
const MACHINES = {
  amd64: [62, Buffer.concat([
    bytes(0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0, 0x48, 0x8d, 0x35), le32(16),
    bytes(0xba), le32(text.length), bytes(0x0f, 0x05),
    bytes(0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05),
  ])],
  arm64: [183, Buffer.concat(
    [0xd2800020, 0x100000e1, 0xd2800002 | (text.length << 5), 0xd2800808, 0xd4000001, 0xd2800000, 0xd2800ba8, 0xd4000001]
      .map((word) => le32(word >>> 0)),
  )],
};

for (const [arch, [machine, code]] of Object.entries(MACHINES)) {
  const file = Buffer.concat([Buffer.alloc(START), code, text]);
  file.write('\\x7fELF\\x02\\x01\\x01', 'latin1');
  file.writeUInt16LE(2, 16);
  file.writeUInt16LE(machine, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(BASE + START), 24);
  file.writeBigUInt64LE(64n, 32);
  for (const [value, offset] of [[64, 52], [56, 54], [2, 56], [64, 58]]) file.writeUInt16LE(value, offset);
  // A loaded segment with the whole file, and a non-executable stack.
  const segments = [[1, 5, BASE, file.length], [0x6474e551, 6, 0, 0]];
  for (const [index, [type, flags, address, size]] of segments.entries()) {
    const at = 64 + index * 56;
    file.writeUInt32LE(type, at);
    file.writeUInt32LE(flags, at + 4);
    for (const [value, offset] of [[address, 16], [address, 24], [size, 32], [size, 40], [0x1000, 48]]) {
      file.writeBigUInt64LE(BigInt(value), at + offset);
    }
  }
  mkdirSync('apps/tool/out', { recursive: true });
  writeFileSync(\`apps/tool/out/tool-\${arch}\`, file, { mode: 0o755 });
}
`,
};
