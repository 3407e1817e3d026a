import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** An upload that is open at a registry. */
export interface OpenUpload {
  /** `registry/repository`. */
  readonly repository: string;
  readonly url: string;
}

/** Remembers on disk which uploads are open, so that the run after a killed one can cancel them. */
export interface UploadJournal {
  /** What a killed run left open. */
  readonly abandoned: readonly OpenUpload[];
  /** Notes the URL of an upload under a key of its own; undefined once it is no longer open. */
  note(repository: string, key: string, url: string | undefined): void;
  /** Removes the file. */
  close(): void;
}

/**
 * Opens the journal at a path. The file is readable by its owner only, since the URLs of uploads let anyone who may
 * push go on with them. A file that is damaged counts as none: registries remove open uploads themselves in time.
 */
export function openUploadJournal(path: string): UploadJournal {
  const open = new Map<string, OpenUpload>();
  const temporary = `${path}.tmp`;
  rmSync(temporary, { force: true });
  const abandoned = readAbandoned(path);
  for (const [index, upload] of abandoned.entries()) open.set(`abandoned ${index}`, upload);
  return {
    abandoned,
    note(repository, key, url) {
      if (url === undefined) open.delete(`${repository} ${key}`);
      else open.set(`${repository} ${key}`, { repository, url });
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(temporary, JSON.stringify([...open.values()]), { mode: 0o600 });
      renameSync(temporary, path);
    },
    close: () => rmSync(path, { force: true }),
  };
}

function readAbandoned(path: string): readonly OpenUpload[] {
  try {
    const entries: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return Array.isArray(entries) ? entries.filter(isOpenUpload) : [];
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function isOpenUpload(entry: unknown): entry is OpenUpload {
  if (typeof entry !== 'object' || entry === null) return false;
  const { repository, url } = entry as Partial<OpenUpload>;
  return typeof repository === 'string' && typeof url === 'string' && URL.canParse(url);
}
