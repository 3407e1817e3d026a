import { OciError } from '../errors.ts';
import type { EntryMetadata } from './tar-header.ts';

const WHITEOUT = '.wh.';

/**
 * Holds the entries of a layer, one after the other, against each other, so that it does not matter in which order and
 * by which means an unpacker makes them: every path once, below a folder that came before, so that none is reached
 * through a link; a hard link to an earlier file, with its mode, owner and time; no whiteout, which removes what other
 * layers put there. Throws `INVALID_LAYER`.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#whiteouts
 */
export class EntryOrder {
  readonly #seen = new Map<string, EntryMetadata>();

  add(entry: EntryMetadata): void {
    const { path, type } = entry;
    const slash = path.lastIndexOf('/');
    const name = path.slice(slash + 1);
    if (name.startsWith(WHITEOUT)) throw invalid(path, 'a whiteout, which removes files of other layers');
    if (this.#seen.has(path)) throw invalid(path, 'is given twice');
    const parent = path.slice(0, Math.max(slash, 0));
    if (parent !== '') {
      const found = this.#seen.get(parent)?.type;
      if (found !== 'directory')
        throw invalid(path, `expected its folder before it, found ${found ?? 'none'}`);
    }
    if (type === 'link') this.#checkLink(entry);
    this.#seen.set(path, entry);
  }

  #checkLink({ path, target = '', mode, uid, gid, mtime }: EntryMetadata): void {
    const file = this.#seen.get(target);
    if (file?.type !== 'file') {
      throw invalid(
        path,
        `a hard link to ${JSON.stringify(target)}, which is not an earlier file of the layer`,
      );
    }
    if (file.mode !== mode || file.uid !== uid || file.gid !== gid || file.mtime !== mtime) {
      throw invalid(path, `a hard link with another mode, owner or time than ${JSON.stringify(target)}`);
    }
  }
}

function invalid(path: string, problem: string): OciError {
  return new OciError('INVALID_LAYER', `layer: ${JSON.stringify(path)}: ${problem}`);
}
