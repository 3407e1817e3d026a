import { OciError } from '../errors.ts';
import type { LayerContents } from './tar-decoder.ts';
import type { EntryMetadata } from './tar-header.ts';

const WHITEOUT = '.wh.';
/** Marks a folder as hiding everything that lower layers put into it. */
const OPAQUE = '.wh..wh..opq';

/**
 * Checks the entries of a layer against each other, one by one, so that the result does not depend on how and in which
 * order an unpacker creates them: every path occurs once, below a folder that came before it, so that none is reached
 * through a link; a hard link points to an earlier file with the same mode, owner and time; and there is no whiteout,
 * which would remove what other layers contain. A layer of `changes` may have whiteouts, as long as each is empty and
 * removes nothing that the layer itself adds, and hard links to anything but folders. Throws `INVALID_LAYER`.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#whiteouts
 */
export class EntryOrder {
  /** What is at each path, as a short string: a layer may have very many entries. */
  readonly #seen = new Map<string, string>();
  readonly #removed = new Set<string>();
  readonly #contents: LayerContents;

  constructor(contents: LayerContents = 'files') {
    this.#contents = contents;
  }

  add(entry: EntryMetadata): void {
    const { path, type } = entry;
    const slash = path.lastIndexOf('/');
    const name = nameOf(path);
    if (name.startsWith(WHITEOUT)) this.#checkWhiteout(entry, name);
    if (this.#removed.has(path)) throw invalid(path, 'is added and removed by the same layer');
    if (this.#seen.has(path)) throw invalid(path, 'is given twice');
    const parent = path.slice(0, Math.max(slash, 0));
    if (parent !== '') {
      const found = typeOf(this.#seen.get(parent));
      if (found !== 'directory')
        throw invalid(path, `expected its folder before it, found ${found ?? 'none'}`);
    }
    if (type === 'link') this.#checkLink(entry);
    this.#seen.set(path, factsOf(entry));
  }

  #checkWhiteout({ path, type, size }: EntryMetadata, name: string): void {
    if (this.#contents === 'files') throw invalid(path, 'a whiteout, which removes files from other layers');
    const gone = name.slice(WHITEOUT.length);
    if (type !== 'file' || size !== 0 || (name !== OPAQUE && (gone === '' || gone.startsWith(WHITEOUT))))
      throw invalid(path, 'a whiteout that is not an empty file, or that names no file');
    if (name === OPAQUE) return;
    const removed = path.slice(0, path.length - name.length) + gone;
    if (this.#seen.has(removed)) throw invalid(removed, 'is added and removed by the same layer');
    this.#removed.add(removed);
  }

  #checkLink(entry: EntryMetadata): void {
    const { path, target = '' } = entry;
    const found = this.#seen.get(target);
    const type = typeOf(found);
    const isLinkable =
      this.#contents === 'files'
        ? type === 'file'
        : type !== undefined &&
          type !== 'directory' &&
          type !== 'link' &&
          !nameOf(target).startsWith(WHITEOUT);
    if (type === undefined || !isLinkable) {
      throw invalid(
        path,
        `a hard link to ${JSON.stringify(target)}, which is not an earlier file of the layer`,
      );
    }
    if (found !== factsOf({ ...entry, type })) {
      throw invalid(path, `a hard link with a different mode, owner or time from ${JSON.stringify(target)}`);
    }
  }
}

/** The properties of an entry that other entries depend on. */
function factsOf({
  type,
  mode,
  uid,
  gid,
  mtime,
}: Pick<EntryMetadata, 'type' | 'mode' | 'uid' | 'gid' | 'mtime'>): string {
  return `${type} ${mode} ${uid} ${gid} ${mtime}`;
}

function typeOf(facts: string | undefined): EntryMetadata['type'] | undefined {
  return facts?.slice(0, facts.indexOf(' ')) as EntryMetadata['type'] | undefined;
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function invalid(path: string, problem: string): OciError {
  return new OciError('INVALID_LAYER', `layer: ${JSON.stringify(path)}: ${problem}`);
}
