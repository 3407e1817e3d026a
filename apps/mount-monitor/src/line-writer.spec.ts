import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LineWriter } from './line-writer.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A pipe that accepts a limited number of bytes until more room is made. */
class FakePipe {
  text = '';
  room = Number.POSITIVE_INFINITY;
  error: string | undefined;
  fullCode = 'EAGAIN';
  attempts = 0;

  readonly write = (_: number, bytes: Uint8Array): number => {
    this.attempts += 1;
    if (this.error !== undefined) throw Object.assign(new Error(this.error), { code: this.error });
    const count = Math.min(this.room, bytes.length);
    if (count === 0) throw Object.assign(new Error('full'), { code: this.fullCode });
    this.room -= count;
    this.text += Buffer.from(bytes.subarray(0, count)).toString('latin1');
    return count;
  };
}

function writerOf(pipe: FakePipe): LineWriter {
  return new LineWriter(1, (count) => `lost ${count}\n`, pipe.write);
}

describe('LineWriter', () => {
  it('lines are written immediately', () => {
    const pipe = new FakePipe();
    writerOf(pipe).write('a\n');
    expect(pipe.text).toBe('a\n');
  });

  it('what a full pipe does not accept is kept and written in order once there is room', () => {
    const pipe = new FakePipe();
    const writer = writerOf(pipe);
    pipe.room = 3;
    for (const line of ['one\n', 'two\n', 'three\n']) writer.write(line);
    expect(pipe.text).toBe('one');
    pipe.room = Number.POSITIVE_INFINITY;
    vi.advanceTimersByTime(20);
    expect(pipe.text).toBe('one\ntwo\nthree\n');
  });

  it('whole lines beyond 1 MiB are dropped and counted', () => {
    const pipe = new FakePipe();
    const writer = writerOf(pipe);
    pipe.room = 0;
    const line = `${'x'.repeat(1023)}\n`;
    for (let count = 0; count < 1030; count += 1) writer.write(line);
    pipe.room = Number.POSITIVE_INFINITY;
    writer.write('next\n');
    expect(pipe.text).toBe(`${line.repeat(1024)}lost 7\n`);
    writer.write('after\n');
    expect(pipe.text.endsWith('lost 7\nafter\n')).toBe(true);
  });

  it('lines that nobody can read anymore are dropped and counted once there is a reader again', () => {
    const pipe = new FakePipe();
    const writer = writerOf(pipe);
    pipe.error = 'EPIPE';
    writer.write('gone\n');
    pipe.error = undefined;
    writer.write('heard\n');
    expect(pipe.text).toBe('lost 1\nheard\n');
    expect(writer.lost).toBe(1);
  });

  it('what a full disk does not accept, including the rest of a line, is kept until there is room', () => {
    const pipe = new FakePipe();
    const writer = writerOf(pipe);
    pipe.room = 2;
    pipe.fullCode = 'ENOSPC';
    writer.write('one\n');
    writer.write('two\n');
    pipe.room = Number.POSITIVE_INFINITY;
    vi.advanceTimersByTime(40);
    expect(pipe.text).toBe('one\ntwo\n');
    expect(writer.lost).toBe(0);
  });

  it('a full pipe is retried at growing intervals', () => {
    const pipe = new FakePipe();
    const writer = writerOf(pipe);
    pipe.room = 0;
    writer.write('stuck\n');
    const before = pipe.attempts;
    vi.advanceTimersByTime(10_000);
    expect(pipe.attempts - before).toBeLessThan(45);
    pipe.room = 100;
    vi.advanceTimersByTime(320);
    expect(pipe.text).toBe('stuck\n');
  });

  it('exit waits for a reader, but not forever', () => {
    vi.useRealTimers();
    const pipe = new FakePipe();
    const writer = writerOf(pipe);
    pipe.room = 0;
    writer.write('last words\n');
    const start = performance.now();
    writer.finish(start + 300);
    expect(performance.now() - start).toBeLessThan(5000);
    expect(pipe.text).toBe('');
    pipe.room = 100;
    writer.finish(performance.now());
    expect(pipe.text).toBe('last words\n');
  });

  it('lines are never mixed, repeated or broken, no matter when the pipe has room', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.stringMatching(/^[a-z]{0,9}$/), fc.nat(12))), (steps) => {
        const pipe = new FakePipe();
        const writer = writerOf(pipe);
        let expected = '';
        for (const [word, room] of steps) {
          pipe.room = room;
          writer.write(`${word}\n`);
          expected += `${word}\n`;
          expect(expected.startsWith(pipe.text)).toBe(true);
        }
        pipe.room = Number.POSITIVE_INFINITY;
        vi.advanceTimersByTime(320);
        expect(pipe.text).toBe(expected);
      }),
    );
  });
});
