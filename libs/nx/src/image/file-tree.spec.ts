import { expect, it } from 'vitest';
import { type BaseEntry, FileTree } from './file-tree.ts';

const entry = (path: string): BaseEntry => ({
  type: path.endsWith('/') ? 'directory' : 'file',
  path: path.replace(/\/$/, ''),
  uid: 0,
  gid: 0,
  mode: 0o755,
  mtime: 0,
  target: '',
  attributes: false,
});

// Same as in moby's UnpackLayer: https://github.com/moby/go-archive/blob/main/diff.go
it('an opaque marker removes lower layers’ entries from the whole folder, wherever it occurs', () => {
  const tree = new FileTree();
  tree.applyLayer(['a/', 'a/+b/', 'a/+b/lower', 'a/lower'].map(entry));
  tree.applyLayer(['a/', 'a/+b/', 'a/+b/own', 'a/.wh..wh..opq', 'a/own'].map(entry));
  expect(['/a/+b/lower', '/a/lower'].map((path) => tree.lookUp(path))).toEqual([undefined, undefined]);
  expect(['/a/+b/own', '/a/own'].map((path) => tree.lookUp(path)?.kind)).toEqual(['file', 'file']);
});

// Same as in containerd: https://pkg.go.dev/github.com/containerd/continuity/fs#RootPath
it.each(['./tool', '../bin/./tool', '/bin/./tool'])('follows a link to %s', (target) => {
  const tree = new FileTree();
  tree.applyLayer(['bin/', 'bin/tool'].map(entry));
  tree.applyLayer([{ ...entry('bin/link'), type: 'symlink', target }]);
  expect(tree.resolve('/bin/link')).toBe('/bin/tool');
});
