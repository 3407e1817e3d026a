import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Platform, parsePlatform } from '../../artifacts/platform.ts';
import { commandOutput } from '../../process/command-output.ts';

const LOAD_ADDRESS = 0x08048000;
const HEADERS_BYTES = 52 + 32;

// mov eax, 1 (exit); xor ebx, ebx; int 0x80
const EXIT_0 = [0xb8, 1, 0, 0, 0, 0x31, 0xdb, 0xcd, 0x80];

/** The platforms that a different machine's kernel may run natively. */
export const RELATED: ReadonlySet<Platform> = new Set([parsePlatform('linux/386')]);

/**
 * The other platforms whose executables this machine's kernel runs natively: linux/386 on most linux/amd64 kernels.
 * Found out by running a minimal executable, since it depends on the kernel's configuration. QEMU's i386 emulation is
 * no substitute: Go programs crash in it at their first signals.
 */
export async function relatedPlatforms(host: Platform | undefined): Promise<ReadonlySet<Platform>> {
  if (host !== 'linux/amd64') return new Set();
  const folder = await mkdtemp(join(tmpdir(), 'i386-'));
  try {
    const path = join(folder, 'exit');
    await writeFile(path, exitExecutable());
    await chmod(path, 0o755);
    const { ok } = await commandOutput(path, [], { timeoutMs: 10_000 });
    return ok ? RELATED : new Set();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

// https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
function exitExecutable(): Buffer {
  const size = HEADERS_BYTES + EXIT_0.length;
  const bytes = Buffer.alloc(size);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  bytes.writeUInt16LE(2, 16);
  bytes.writeUInt16LE(3, 18);
  bytes.writeUInt32LE(1, 20);
  bytes.writeUInt32LE(LOAD_ADDRESS + HEADERS_BYTES, 24);
  bytes.writeUInt32LE(52, 28);
  bytes.writeUInt16LE(52, 40);
  bytes.writeUInt16LE(32, 42);
  bytes.writeUInt16LE(1, 44);
  const segment = [1, 0, LOAD_ADDRESS, LOAD_ADDRESS, size, size, 5, 0x1000];
  for (const [index, value] of segment.entries()) bytes.writeUInt32LE(value, 52 + index * 4);
  bytes.set(EXIT_0, HEADERS_BYTES);
  return bytes;
}
