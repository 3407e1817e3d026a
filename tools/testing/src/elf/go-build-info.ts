import { type Encoding, FieldWriter } from './field-writer.ts';

const MAGIC = '\xff Go buildinf:';
const INLINE = 2;
// What Go puts before and after the lines. https://github.com/golang/go/blob/master/src/cmd/go/internal/modload/build.go
const START = Buffer.from('3077af0c9274080241e1c107e6d618e6', 'hex');
const END = Buffer.from('f932433186182072008242104116d8f2', 'hex');

/** The two strings of Go's build information. */
interface Texts {
  readonly version: string;
  readonly modules: string;
}

/** Build information as written by Go's linker since 1.18. https://github.com/golang/go/blob/master/src/cmd/link/internal/ld/data.go */
export function inlineBuildInfo({ version, modules }: Texts): Buffer {
  const header = Buffer.alloc(32);
  header.write(MAGIC, 'latin1');
  header.set([8, INLINE], MAGIC.length);
  const parts = [Buffer.from(version), framed(modules)];
  return Buffer.concat([header, ...parts.flatMap((part) => [varint(part.length), part])]);
}

/**
 * Build information as written by Go's linker before 1.18: a header with the addresses of two strings, each of which is
 * the address and length of its bytes. Here all of them follow the header.
 * https://github.com/golang/go/blob/go1.17/src/cmd/link/internal/ld/data.go
 */
export function pointedBuildInfo({ version, modules }: Texts, address: number, encoding: Encoding): Buffer {
  const word = encoding.class / 8;
  const parts = [Buffer.from(version), modules === '' ? Buffer.alloc(0) : framed(modules)];
  const head = new FieldWriter(32 + 4 * word, encoding);
  head.bytes.write(MAGIC, 'latin1');
  head.bytes.set([word, encoding.byteOrder === 'big' ? 1 : 0], MAGIC.length);
  let text = address + head.bytes.length;
  for (const [index, part] of parts.entries()) {
    const string = 32 + 2 * word * index;
    head.word(16 + word * index, address + string);
    head.word(string, text);
    head.word(string + word, part.length);
    text += part.length;
  }
  return Buffer.concat([head.bytes, ...parts]);
}

function framed(modules: string): Buffer {
  return modules === '' ? Buffer.alloc(0) : Buffer.concat([START, Buffer.from(modules), END]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}
