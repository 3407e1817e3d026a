import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

/** The root of the repository. */
export const ROOT = join(import.meta.dirname, '../../..');

/** A Markdown page, with its path from the root of the repository. */
export interface Page {
  readonly path: string;
  readonly text: string;
}

/** Every file in the repository that git tracks or would track, by its path from the root. */
export function repositoryFiles(): readonly string[] {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  const text = execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  return text.split('\0').filter((path) => path !== '');
}

/** The files, and every folder that contains one of them. */
export function withFolders(files: readonly string[]): ReadonlySet<string> {
  const foldersOf = (path: string): readonly string[] => {
    const folder = posix.dirname(path);
    return folder === '.' ? [] : [folder, ...foldersOf(folder)];
  };
  return new Set(files.flatMap((path) => [path, ...foldersOf(path)]));
}

/** Every page for readers: all Markdown files except GitHub's templates, and changelogs, which describe the past. */
export function readPages(files: readonly string[]): readonly Page[] {
  return files
    .filter((path) => path.endsWith('.md') && !path.startsWith('.github/') && !path.endsWith('CHANGELOG.md'))
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
}

/** The text without its code blocks and comments. */
export function proseOf(text: string): string {
  return text.replaceAll(/^( *)```.*?^\1```$/gms, '').replaceAll(/<!--.*?-->/gs, '');
}

/** The inline code: what is between single backticks. */
export function inlineCode(text: string): readonly string[] {
  return [...proseOf(text).matchAll(/`([^`\n]+)`/g)].map(([, code]) => code ?? '');
}

/** The lines of shell code blocks, with continuation lines joined and comments removed. */
export function shellLines(text: string): readonly string[] {
  return [...text.matchAll(/^( *)```sh\n(.*?)^\1```$/gms)].flatMap(([, , block = '']) =>
    block
      .replaceAll('\\\n', ' ')
      .split('\n')
      .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
      .filter((line) => line !== ''),
  );
}

/** The anchor that GitHub gives a heading: lower case, without punctuation, with hyphens for spaces. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/[^\p{Letter}\p{Number} _-]/gu, '')
    .replaceAll(' ', '-');
}

/** The anchors of a page. */
export function anchorsOf(text: string): readonly string[] {
  const seen = new Map<string, number>();
  const headings = text.replaceAll(/^( *)```.*?^\1```$/gms, '').matchAll(/^#+ (.*)$/gm);
  return [...headings].map(([, title = '']) => {
    const anchor = anchorOf(title);
    const before = seen.get(anchor) ?? 0;
    seen.set(anchor, before + 1);
    return before === 0 ? anchor : `${anchor}-${before}`;
  });
}

/** A link on a page, resolved against the page's location. */
export interface Link {
  readonly target: string;
  /** The file or folder, from the root of the repository; undefined for a URL. */
  readonly path: string | undefined;
  readonly anchor: string | undefined;
}

/** The links on a page to other pages, files and pictures. */
export function linksOf({ path, text }: Page): readonly Link[] {
  const targets = [
    ...proseOf(text).matchAll(/\]\(([^)\s]+)\)|<(?:img|source)[^>]*? (?:src|srcset)="([^"]+)"/g),
  ];
  return targets.map(([, inMarkdown, inHtml]) => {
    const target = inMarkdown ?? inHtml ?? '';
    if (/^[a-z]+:/.test(target)) return { target, path: undefined, anchor: undefined };
    const [file = '', anchor] = target.split('#');
    const resolved = file === '' ? path : posix.normalize(posix.join(posix.dirname(path), file));
    return { target, path: resolved.replace(/\/$/, ''), anchor };
  });
}
