import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createInterface } from 'node:readline';

/**
 * A small FUSE filesystem whose answers can be made to fail: the root and its folders d0, d1, … each contain a file
 * `.health-check` with "ok\n". Runs in a separate process, as root, speaking the kernel's protocol
 * (https://man7.org/linux/man-pages/man4/fuse.4.html) over /dev/fuse; a line on stdin sets the fault: `none`, `error
 * NAME`, `short`, `delay MS`, or `hold` (requests are accepted and not answered until the next line; prints `held` for
 * each).
 */
export type Fault =
  | 'none'
  | 'short'
  | 'hold'
  | `delay ${number}`
  | `error ${'EINTR' | 'EIO' | 'ESTALE' | 'EACCES'}`;

const opcodes = {
  lookup: 1,
  forget: 2,
  getattr: 3,
  open: 14,
  read: 15,
  statfs: 17,
  release: 18,
  flush: 25,
  init: 26,
  opendir: 27,
  readdir: 28,
  releasedir: 29,
  interrupt: 36,
  destroy: 38,
  batchForget: 42,
} as const;

const errors = { EINTR: 4, EIO: 5, EACCES: 13, ENOSYS: 38, ENOENT: 2, ESTALE: 116 } as const;

/** The protocol's version that this speaks. */
const protocol = { major: 7, minor: 31 } as const;

const content = Buffer.from('ok\n');
const canaryName = '.health-check';
/** Folders are the root (1) and 2 to 1001 for d0 to d999; a folder's canary has the folder's number plus this. */
const canaryOffset = 10_000n;
const isCanary = (node: bigint): boolean => node > canaryOffset;

interface Request {
  readonly opcode: number;
  readonly unique: bigint;
  readonly node: bigint;
  readonly body: Buffer;
}

function serve(mountPoint: string): void {
  const device = fs.openSync('/dev/fuse', 'r+');
  const options = 'fd=3,rootmode=40000,user_id=0,group_id=0,allow_other';
  const mounted = spawnSync('mount', ['-i', '-t', 'fuse.fault', '-o', options, 'faultfs', mountPoint], {
    stdio: ['ignore', 'inherit', 'inherit', device],
  });
  if (mounted.status !== 0) process.exit(1);
  const server = new FaultServer(device);
  createInterface({ input: process.stdin })
    .on('line', (line) => server.setFault(line as Fault))
    .once('close', () => process.exit(0));
  server.readNext();
}

class FaultServer {
  readonly #device: number;
  readonly #buffer = Buffer.alloc(256 * 1024);
  #held: Request[] = [];
  #fault: Fault = 'none';

  constructor(device: number) {
    this.#device = device;
  }

  setFault(fault: Fault): void {
    this.#fault = fault;
    const held = this.#held;
    this.#held = [];
    for (const request of held) this.#dispatch(request);
    process.stdout.write(`${fault}\n`);
  }

  readNext(): void {
    fs.read(this.#device, this.#buffer, 0, this.#buffer.length, null, (error, length) => {
      if (error !== null) {
        // ENODEV: the filesystem was unmounted. ENOENT: the request was withdrawn.
        if (error.code === 'ENODEV') process.exit(0);
      } else if (length > 0) {
        const data = this.#buffer.subarray(0, length);
        this.#dispatch({
          opcode: data.readUInt32LE(4),
          unique: data.readBigUInt64LE(8),
          node: data.readBigUInt64LE(16),
          body: Buffer.from(data.subarray(40)),
        });
      }
      this.readNext();
    });
  }

  #dispatch(request: Request): void {
    const { opcode } = request;
    if (opcode === opcodes.forget || opcode === opcodes.batchForget || opcode === opcodes.interrupt) return;
    if (opcode === opcodes.init) {
      process.stdout.write('mounted\n');
      this.#reply(request, 0, initReply());
      return;
    }
    const [fault, argument = ''] = this.#fault.split(' ');
    if (fault === 'hold') {
      this.#held.push(request);
      process.stdout.write('held\n');
    } else if (fault === 'delay') setTimeout(() => this.#answer(request), Number(argument));
    else if (fault === 'error' && (opcode === opcodes.open || opcode === opcodes.getattr)) {
      this.#reply(request, errors[argument as 'EIO'], Buffer.alloc(0));
    } else this.#answer(request);
  }

  #answer(request: Request): void {
    const { opcode, node, body } = request;
    switch (opcode) {
      case opcodes.lookup: {
        const child = lookUp(node, body.toString('utf8', 0, body.indexOf(0)));
        if (child === undefined) this.#reply(request, errors.ENOENT, Buffer.alloc(0));
        else this.#reply(request, 0, entryReply(child));
        return;
      }
      case opcodes.getattr:
        this.#reply(request, 0, Buffer.concat([Buffer.alloc(16), attributes(node)]));
        return;
      case opcodes.open:
      case opcodes.opendir:
        this.#reply(request, 0, openReply());
        return;
      case opcodes.read: {
        const offset = Number(body.readBigUInt64LE(8));
        const end = this.#fault === 'short' ? 1 : content.length;
        this.#reply(request, 0, content.subarray(Math.min(offset, end), end));
        return;
      }
      case opcodes.readdir:
        this.#reply(request, 0, body.readBigUInt64LE(8) === 0n ? directory(node) : Buffer.alloc(0));
        return;
      case opcodes.statfs:
        this.#reply(request, 0, Buffer.alloc(80));
        return;
      case opcodes.release:
      case opcodes.releasedir:
      case opcodes.flush:
        this.#reply(request, 0, Buffer.alloc(0));
        return;
      default:
        this.#reply(request, errors.ENOSYS, Buffer.alloc(0));
    }
  }

  #reply({ unique }: Request, error: number, body: Buffer): void {
    const header = Buffer.alloc(16);
    header.writeUInt32LE(16 + body.length, 0);
    header.writeInt32LE(-error, 4);
    header.writeBigUInt64LE(unique, 8);
    try {
      fs.writeSync(this.#device, Buffer.concat([header, body]));
    } catch (failure) {
      // ENOENT: the requesting process has been killed.
      if ((failure as NodeJS.ErrnoException).code !== 'ENOENT') throw failure;
    }
  }
}

function lookUp(parent: bigint, name: string): bigint | undefined {
  if (name === canaryName) return parent + canaryOffset;
  const number = /^d(\d{1,3})$/.exec(name)?.[1];
  return parent === 1n && number !== undefined ? BigInt(number) + 2n : undefined;
}

function initReply(): Buffer {
  const reply = Buffer.alloc(64);
  reply.writeUInt32LE(protocol.major, 0);
  reply.writeUInt32LE(protocol.minor, 4);
  reply.writeUInt32LE(128 * 1024, 8);
  reply.writeUInt16LE(1000, 16);
  reply.writeUInt16LE(750, 18);
  reply.writeUInt32LE(128 * 1024, 20);
  reply.writeUInt32LE(1, 24);
  return reply;
}

/** Entries expire immediately, so that every access reaches this process. */
function entryReply(node: bigint): Buffer {
  const head = Buffer.alloc(40);
  head.writeBigUInt64LE(node, 0);
  return Buffer.concat([head, attributes(node)]);
}

function attributes(node: bigint): Buffer {
  const attr = Buffer.alloc(88);
  attr.writeBigUInt64LE(node, 0);
  attr.writeBigUInt64LE(BigInt(isCanary(node) ? content.length : 0), 8);
  attr.writeUInt32LE(isCanary(node) ? 0o100644 : 0o040755, 60);
  attr.writeUInt32LE(isCanary(node) ? 1 : 2, 64);
  attr.writeUInt32LE(4096, 80);
  return attr;
}

/** Uses FOPEN_DIRECT_IO, so that no page is cached. */
function openReply(): Buffer {
  const reply = Buffer.alloc(16);
  reply.writeUInt32LE(1, 8);
  return reply;
}

function directory(node: bigint): Buffer {
  return Buffer.concat(
    ['.', '..', canaryName].map((name, index) => {
      const padded = Math.ceil(name.length / 8) * 8;
      const entry = Buffer.alloc(24 + padded);
      entry.writeBigUInt64LE(name === canaryName ? node + canaryOffset : node, 0);
      entry.writeBigUInt64LE(BigInt(index + 1), 8);
      entry.writeUInt32LE(name.length, 16);
      entry.writeUInt32LE(name === canaryName ? 8 : 4, 20);
      entry.write(name, 24);
      return entry;
    }),
  );
}

if (process.argv[1] === import.meta.filename) serve(process.argv[2] ?? '');
