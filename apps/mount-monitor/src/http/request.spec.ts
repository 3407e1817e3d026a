import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_HEAD_BYTES, parseRequest } from './request.ts';

const head = (lines: string): string => `${lines.replaceAll('\n', '\r\n')}\r\n\r\n`;

describe('parseRequest', () => {
  it.each([
    ['GET / HTTP/1.1\nHost: x', true],
    ['GET / HTTP/1.1\nHost: x\nConnection: close', false],
    ['GET / HTTP/1.1\nHost: x\nConnection: keep-alive, Close', false],
    ['GET / HTTP/1.1\nHost: x\nContent-Length: 0', true],
    ['POST / HTTP/1.1\nHost: x\nContent-Length: 5', false],
    ['POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked', false],
    ['GET / HTTP/1.0', false],
  ])('parseRequest reads %j, keep-alive %s', (lines, keepAlive) => {
    const input = head(lines);
    expect(parseRequest(`${input}GET`)).toMatchObject({
      kind: 'request',
      length: input.length,
      head: { keepAlive },
    });
  });

  it.each([
    ['no Host', 'GET / HTTP/1.1', 400],
    ['two Hosts', 'GET / HTTP/1.1\nHost: a\nHost: b', 400],
    ['a space before a colon', 'GET / HTTP/1.1\nHost : x', 400],
    ['a folded line', 'GET / HTTP/1.1\nHost: x\nA: b\n c', 400],
    ['a bare line feed', 'GET / HTTP/1.1\r\nHost: x\nA: b'.replace('\nA', '\u000bA'), 400],
    ['two lengths', 'GET / HTTP/1.1\nHost: x\nContent-Length: 1\nContent-Length: 2', 400],
    ['an invalid length', 'GET / HTTP/1.1\nHost: x\nContent-Length: +1', 400],
    ['two spaces', 'GET  / HTTP/1.1\nHost: x', 400],
    ['a target with a control character', 'GET /\u0001 HTTP/1.1\nHost: x', 400],
    ['HTTP/2', 'PRI * HTTP/2.0', 505],
    ['a head that is too large', `GET / HTTP/1.1\nHost: x\nA: ${'a'.repeat(MAX_HEAD_BYTES)}`, 431],
  ])('parseRequest rejects %s with %d', (_, lines, status) => {
    expect(parseRequest(head(lines))).toEqual({ kind: 'refused', status });
  });

  it('parseRequest rejects bytes that cannot begin a request without waiting for more', () => {
    expect(parseRequest('\u0016\u0003\u0001')).toEqual({ kind: 'refused', status: 400 });
  });

  it('parseRequest rejects a head that is too large without waiting for its end', () => {
    expect(parseRequest('a'.repeat(MAX_HEAD_BYTES + 1))).toEqual({ kind: 'refused', status: 431 });
  });

  it('parseRequest reports every prefix of a request as incomplete', () => {
    const input = head('GET /healthz/live HTTP/1.1\nHost: 10.0.0.1:8080\nUser-Agent: kube-probe/1.34');
    for (let length = 0; length < input.length; length += 1) {
      expect(parseRequest(input.slice(0, length)).kind).toBe('incomplete');
    }
  });

  it('parseRequest reads a repeated request as the first one, also between others and with more behind it', () => {
    const [live, ready] = ['live', 'ready'].map((path) => head(`GET /healthz/${path} HTTP/1.1\nHost: x`));
    const inputs = [live, live, ready, live, `${live}${ready}`, live, ready, ready].map(String);
    const targets = inputs.map((input) => {
      const parsed = parseRequest(input);
      return parsed.kind === 'request'
        ? `${parsed.head.target} ${input.length - parsed.length}`
        : parsed.kind;
    });
    const [one, other] = ['/healthz/live 0', '/healthz/ready 0'];
    expect(targets).toEqual([one, one, other, one, `/healthz/live ${ready?.length}`, one, other, other]);
  });

  it('parseRequest terminates on any bytes and never consumes more than there are', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii', maxLength: 300 }), (text) => {
        const parsed = parseRequest(text);
        if (parsed.kind === 'request') expect(parsed.length).toBeLessThanOrEqual(text.length);
      }),
    );
  });
});
