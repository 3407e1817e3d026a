import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CountedWork, countWork } from '@prebuilt/testing/counted-work';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OciError } from '../errors.ts';
import { parseChallenges } from './challenge.ts';
import { credentialSource } from './credentials/index.ts';
import { nextPage, parseLinks } from './pages.ts';
import { readReferrers } from './referrers.ts';
import { parseScopes } from './scopes.ts';
import { readTags } from './tags.ts';
import { readToken } from './tokens.ts';
import { checkAddress } from './transport/address.ts';
import { addressOf, type Operation, parseAddress, withParameter } from './transport/index.ts';
import { readErrors } from './transport/refusals.ts';

const BASE = new URL('https://registry.example/v2/app/tags/list');
const OPERATION: Operation = {
  name: 'op',
  signal: new AbortController().signal,
  spend: () => {},
  end: () => {},
};
const DIGEST = `sha256:${'a'.repeat(64)}`;

// The most that Node accepts for all headers together, and our client for each kind of body.
const HEADERS = 16 * 1024;
const LISTS = 4 * 1024 * 1024;
const TOKENS = 1024 * 1024;
const ERRORS = 64 * 1024;
// The user's own files have no limit.
const FILES = 1024 * 1024;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'growth-'));
});
afterAll(() => rm(folder, { recursive: true }));

const filled = (part: string, bytes: number, before = '', after = ''): string =>
  `${before}${part.repeat(Math.max(0, Math.floor((bytes - before.length - after.length) / part.length)))}${after}`;

/** Texts of about the given size that take the most work for it. */
type Shapes = Readonly<Record<string, (bytes: number) => string>>;

const of = (...parts: readonly (readonly [part: string, before?: string, after?: string])[]): Shapes =>
  Object.fromEntries(
    parts.map(([part, before = '', after = '']) => [
      `${before}${part}…${after}`,
      (bytes: number) => filled(part, bytes, before, after),
    ]),
  );

interface Parser {
  readonly limit: number;
  readonly shapes: Shapes;
  readonly parse: (text: string) => unknown;
}

const PARSERS: Readonly<Record<string, Parser>> = {
  'a challenge': {
    limit: HEADERS,
    shapes: of(
      ['a '],
      ['a b/'],
      [','],
      [' '],
      ['a=b,', 'Basic '],
      ['a="\\"",', 'Basic '],
      ['\\"', 'Basic a="'],
      ['a', 'Basic '],
      ['=', 'Basic a', 'x'],
      [' ', 'Basic a', 'x'],
      ['a    b/c    =    "', 'Bearer '],
    ),
    parse: (text) => parseChallenges(text),
  },
  'a Link': {
    limit: HEADERS,
    shapes: of(
      ['<'],
      ['<a>'],
      ['<a>;'],
      ['<a>; rel=next,'],
      ['; rel="', '<a>'],
      [';a=b', '<a>'],
      ['\\"', '<a>; rel="'],
      [' ', '<a>', 'x'],
      ['next ', '<?a>; rel="', '"'],
      ['#', '<?', '>; rel=next'],
      ['?', '<', '>; rel=next'],
    ),
    parse: (text) => {
      parseLinks(text);
      return nextPage('list', text, BASE);
    },
  },
  'a Location': {
    limit: HEADERS,
    shapes: of(
      ['a', 'https://'],
      ['a/\n', 'https://'],
      ['/', 'https:'],
      ['../', '/'],
      ['%2e%2e/', '/'],
      ['?', '/'],
      ['#', '/?'],
      ['a.', 'https://'],
      ['1.', 'https://', '/'],
      ['@', 'https://a'],
    ),
    parse: (text) => {
      const address = parseAddress('upload', 'Location', text, BASE);
      checkAddress('upload', withParameter(address, 'digest', DIGEST), BASE, false);
    },
  },
  scopes: {
    limit: HEADERS,
    shapes: of([' '], ['a:b '], [',', 'a:'], [':'], ['a:b,b,c', 'repository:']),
    parse: (text) => parseScopes(text),
  },
  'a token': {
    limit: TOKENS,
    shapes: of(
      ['a', '{"token":"', '"}'],
      [' ', '{"token":"a', '"}'],
      ['{"a":', '{"token":'],
      ['["a"],', '{"x":[', '0],"token":"t"}'],
    ),
    parse: (text) => readToken(OPERATION, addressOf(BASE), Buffer.from(text)),
  },
  tags: {
    limit: LISTS,
    shapes: of(
      ['"a",', '{"tags":[', '"b"]}'],
      ['null,', '{"tags":[', '"b"]}'],
      ['"-",', '{"tags":[', '1]}'],
      ['a', '{"tags":["', '"]}'],
      ['[', '{"tags":'],
    ),
    parse: (text) => readTags('list', Buffer.from(text)),
  },
  referrers: {
    limit: LISTS,
    shapes: of(
      [`{"mediaType":"a","size":1,"digest":"${DIGEST}"},`, '{"manifests":[', 'null]}'],
      ['{"a":1},', '{"manifests":[', '{}]}'],
      ['0,', '{"manifests":[', '0]}'],
      ['{"manifests":', '', ''],
    ),
    parse: (text) => readReferrers('list', Buffer.from(text)),
  },
  'an error': {
    limit: ERRORS,
    shapes: of(
      ['<title>'],
      ['<title>a'],
      ['{"code":"A"},', '{"errors":[', '{}]}'],
      ['#', '{"message":"', '"}'],
      ['\\u001b', '{"message":"', '"}'],
      ['{"a":', '{"errors":[{"detail":'],
    ),
    parse: (text) => readErrors(text),
  },
  'a credentials file': {
    limit: FILES,
    shapes: of(
      ['{"auth":"YTpi"}', '{"auths":{"ghcr.io":', '}}'],
      ['/', '{"auths":{"ghcr.io', 'x":{"auth":"YTpi"}}}'],
      ['AAAA', '{"auths":{"ghcr.io":{"auth":"YTpiAAAA', 'eA=="}}}'],
      ['"https://ghcr.io/v1/x":{"auth":"YTpi"},', '{"auths":{', '"a":{}}}'],
      ['"a":"b",', '{"credHelpers":{', '"a":"b"}}'],
      ['[', '{"auths":'],
    ),
    async parse(text) {
      const path = join(folder, 'auth.json');
      await writeFile(path, text);
      const environment = { REGISTRY_AUTH_FILE: path };
      const runHelper = async () => '{"Username":"a","Secret":"b"}';
      await credentialSource({ environment, registries: ['ghcr.io'], runHelper })('ghcr.io', 'a/b/c');
    },
  },
};

describe.each(Object.entries(PARSERS))('%s', (_, { limit, shapes, parse }) => {
  // If a pattern took time proportional to the square of the size, a credentials file would take hours.
  it.each(Object.entries(shapes))(
    'input of the largest allowed size is read, or refused with a typed error: %s',
    async (_name, make) => {
      try {
        await parse(make(limit));
      } catch (error) {
        expect(error).toBeInstanceOf(OciError);
      }
    },
  );
});

// Last, since counting slows down everything in this process.
describe('the work of reading', () => {
  let counted: CountedWork;
  beforeAll(async () => {
    counted = await countWork('/libs/oci/src/');
  });
  afterAll(() => counted[Symbol.asyncDispose]());

  it.each(
    Object.entries(PARSERS).flatMap(([name, { limit, shapes, parse }]) =>
      Object.entries(shapes).map(([shape, make]) => [name, shape, { limit, make, parse }] as const),
    ),
  )('reading %s takes work proportional to its size: %s', async (_, _shape, { limit, make, parse }) => {
    const size = Math.min(limit, 128 * 1024);
    const small = await counted.blocksOf(() => parse(make(size / 8)));
    const large = await counted.blocksOf(() => parse(make(size)));
    expect(small).toBeGreaterThan(0);
    // The size is eight times as large. A quadratic part would make the work sixty-four times as large.
    expect(large).toBeLessThan(10 * Math.max(small, 100));
  });
});
