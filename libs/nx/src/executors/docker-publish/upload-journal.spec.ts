import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openUploadJournal } from './upload-journal.ts';

const URL_OF_UPLOAD = 'https://registry.example/v2/owner/app/blobs/uploads/1?_state=x';

describe('the journal of uploads', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'journal-'));
    path = join(folder, 'publish', 'uploads.json');
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('tells the next run of uploads that were open when the process ended', () => {
    const journal = openUploadJournal(path);
    expect(journal.abandoned).toEqual([]);
    journal.note('registry.example/owner/app', 'a', URL_OF_UPLOAD);
    journal.note('registry.example/owner/app', 'b', `${URL_OF_UPLOAD}2`);
    journal.note('registry.example/owner/app', 'b', undefined);
    expect(openUploadJournal(path).abandoned).toEqual([
      { repository: 'registry.example/owner/app', url: URL_OF_UPLOAD },
    ]);
  });

  it('keeps what a former run left until it is closed, and then leaves no file', async () => {
    openUploadJournal(path).note('registry.example/owner/app', 'a', URL_OF_UPLOAD);
    const second = openUploadJournal(path);
    second.note('registry.example/owner/other', 'a', `${URL_OF_UPLOAD}2`);
    expect(openUploadJournal(path).abandoned).toHaveLength(2);
    second.close();
    expect(await readdir(join(folder, 'publish'))).toEqual([]);
  });

  it('is for its owner only', async () => {
    openUploadJournal(path).note('registry.example/owner/app', 'a', URL_OF_UPLOAD);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it.each(['', '{', '{"repository":1}', '[1, null, {"repository":"a","url":"no url"}]'])(
    'counts damaged content as none: %j',
    async (content) => {
      const damaged = join(folder, 'uploads.json');
      await writeFile(damaged, content);
      expect(openUploadJournal(damaged).abandoned).toEqual([]);
    },
  );
});
