import { describe, expect, it } from 'vitest';
import { type ListedOption, parseListed } from './entries.ts';

describe('an entry of image.files', () => {
  it.each<[ListedOption, object]>([
    ['tzdata', { kind: 'built-in', name: 'tzdata' }],
    [{ path: 'tmp' }, { kind: 'workspace', path: 'tmp', to: 'tmp' }],
    ['apps/server/LICENSE', { path: 'apps/server/LICENSE', to: 'LICENSE', mode: undefined, owner: '0:0' }],
    ['./assets/', { path: 'assets', to: 'assets' }],
    [{ path: 'a', to: '/etc/app/a.json' }, { to: 'etc/app/a.json' }],
    [{ path: 'rootfs', to: '/' }, { to: '' }],
    [{ path: 'a', mode: '640' }, { mode: '0640' }],
    [{ path: 'a', owner: 'nonroot' }, { owner: '65532:65532' }],
    [{ path: 'a', owner: '1000' }, { owner: '1000:1000' }],
    [{ path: 'a', owner: 'nobody:0' }, { owner: '65534:0' }],
  ])('%j is a valid entry of image.files', (option, entry) => {
    const { entries, problems } = parseListed([option]);
    expect(problems).toEqual([]);
    expect(entries).toEqual([expect.objectContaining(entry)]);
  });

  it.each<[ListedOption, RegExp]>([
    ['/etc/passwd', /^\/etc\/passwd: expected a file or folder inside the workspace$/],
    ['../other/x', /^\.\.\/other\/x: expected a file or folder inside the workspace$/],
    ['a/../../x', /inside the workspace/],
    ['.', /inside the workspace/],
    ['', /inside the workspace/],
    ['a\\b', /inside the workspace/],
    ['a\0b', /inside the workspace/],
    [{ path: 'a', to: 'etc/a' }, /to: expected an absolute path in the image.*found "etc\/a"/],
    [{ path: 'a', to: '/etc/../../a' }, /to: expected an absolute path/],
    [{ path: 'a', to: '/etc//a' }, /to: expected an absolute path/],
    [{ path: 'a', to: '' }, /to: expected an absolute path/],
    [{ path: 'a', mode: '4755' }, /mode: expected an octal mode from "0400" to "0777", found "4755"/],
    [{ path: 'a', mode: '0044' }, /mode: expected/],
    [{ path: 'a', mode: 'u+x' }, /mode: expected/],
    [
      { path: 'a', owner: 'postgres' },
      /owner: expected numbers such as "1000:1000", or one of root, nobody, nonroot, found "postgres"/,
    ],
    [{ path: 'a', owner: '1:2:3' }, /owner: expected/],
    [{ path: 'a', owner: '4294967295' }, /owner: expected/],
    [{ path: 'a', owner: '' }, /owner: expected/],
  ])('%j is refused as an entry of image.files', (option, problem) => {
    expect(parseListed([option]).problems).toEqual([expect.stringMatching(problem)]);
  });

  it('an entry of image.files is refused if it is a duplicate built-in', () => {
    expect(parseListed(['tmp', 'tmp']).problems).toEqual(['tmp is listed 2 times']);
  });

  it('an entry of image.files is refused with all of its problems at once', () => {
    const { problems } = parseListed([{ path: '/a', to: 'b', mode: '9', owner: 'x' }, '/c']);
    expect(problems).toHaveLength(5);
  });
});
