import { describe, expect, it } from 'vitest';
import { foreignEmulation, registration, usableInterpreter } from './emulation.ts';

describe('foreignEmulation', () => {
  it.each([
    ['x64', 'arm64', String.raw`\xb7\x00`],
    ['arm64', 'amd64', String.raw`\x3e\x00`],
  ])('foreignEmulation on %s emulates %s', (node, architecture, machine) => {
    const emulation = foreignEmulation(node);
    expect(emulation.architecture).toBe(architecture);
    expect(registration(emulation, '/q')).toBe(
      String.raw`:${emulation.name}:M::\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00${machine}:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/q:OCF`,
    );
  });

  it('registration describes an emulation by its class and machine', () => {
    const arm = { ...foreignEmulation('x64'), name: 'arm', bits: 32, machine: String.raw`\x28\x00` } as const;
    expect(registration(arm, '/q')).toContain(
      String.raw`:arm:M::\x7f\x45\x4c\x46\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00:`,
    );
  });

  it('foreignEmulation refuses other processors', () => {
    expect(() => foreignEmulation('riscv64')).toThrow('processor: expected x64 or arm64, found riscv64');
  });
});

describe('usableInterpreter', () => {
  it.each([
    ['an enabled entry with the flag F', 'enabled\ninterpreter /q\nflags: OCF\noffset 0\n', '/q'],
    ['an entry that works only outside containers', 'enabled\ninterpreter /q\nflags: OC\n', undefined],
    ['a disabled entry', 'disabled\ninterpreter /q\nflags: OCF\n', undefined],
    ['an empty entry', '', undefined],
  ])('usableInterpreter reads %s', (_, entry, interpreter) => {
    expect(usableInterpreter(entry)).toBe(interpreter);
  });
});
