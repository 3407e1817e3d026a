const MACHINES = {
  // mov edi, STATUS; mov eax, 60; syscall
  amd64: { machine: 62, code: (status: number) => [0xbf, status, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05] },
  // mov x0, #STATUS; mov x8, #93; svc #0
  arm64: {
    machine: 183,
    code: (status: number) => words([0xd2800000 | (status << 5), 0xd2800ba8, 0xd4000001]),
  },
} as const;

/** The bytes of a static Linux executable that only exits with a status (0 to 255). */
export function exitProgram(architecture: keyof typeof MACHINES, status: number): Buffer {
  const { machine, code } = MACHINES[architecture];
  return executable(machine, Buffer.from(code(status)));
}

/** The bytes of a static executable for arm64 that creates an empty file `/made` and exits with status 0. */
export function makingProgram(): Buffer {
  const code = words([
    0x92800c60, // mov x0, #-100: AT_FDCWD
    0x10000101, // adr x1, the string after the code
    0xd2800822, // mov x2, #0x41: O_WRONLY | O_CREAT
    0xd2803483, // mov x3, #0644
    0xd2800708, // mov x8, #56: openat
    0xd4000001, // svc #0
    0xd2800000, // mov x0, #0
    0xd2800ba8, // mov x8, #93: exit
    0xd4000001, // svc #0
  ]);
  return executable(MACHINES.arm64.machine, Buffer.from([...code, ...Buffer.from('/made\0')]));
}

function executable(machine: number, body: Buffer): Buffer {
  const file = Buffer.alloc(HEADERS);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(file);
  file.writeUInt16LE(2, 16); // ET_EXEC
  file.writeUInt16LE(machine, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(BASE + HEADERS), 24); // entry
  file.writeBigUInt64LE(64n, 32); // program headers
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(1, 64); // PT_LOAD
  file.writeUInt32LE(5, 68); // readable, executable
  file.writeBigUInt64LE(BigInt(BASE), 80);
  file.writeBigUInt64LE(BigInt(BASE), 88);
  file.writeBigUInt64LE(BigInt(HEADERS + body.length), 96);
  file.writeBigUInt64LE(BigInt(HEADERS + body.length), 104);
  file.writeBigUInt64LE(0x10000n, 112);
  return Buffer.concat([file, body]);
}

const BASE = 0x400000;
/** The ELF header and one program header. */
const HEADERS = 64 + 56;

function words(values: readonly number[]): number[] {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, index * 4);
  return [...bytes];
}
