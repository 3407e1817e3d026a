import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openUploadJournal, readAbandonedUploads } from './upload-journal.ts';

const URL_OF_UPLOAD = 'https://registry.example/v2/owner/app/blobs/uploads/1?_state=x';

describe('the journal of uploads', () => {
  let folder: string;
  let output: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'journal-'));
    output = join(folder, 'publish');
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('the journal tells the next run which uploads were open when the process ended', () => {
    expect(readAbandonedUploads(output)).toEqual([]);
    const journal = openUploadJournal(output, []);
    journal.note('registry.example/owner/app', 'a', URL_OF_UPLOAD);
    journal.note('registry.example/owner/app', 'b', `${URL_OF_UPLOAD}2`);
    journal.note('registry.example/owner/app', 'b', undefined);
    expect(readAbandonedUploads(output)).toEqual([
      { repository: 'registry.example/owner/app', url: URL_OF_UPLOAD },
    ]);
  });

  it('the journal keeps what an earlier run left until it is closed, then leaves no file', async () => {
    openUploadJournal(output, []).note('registry.example/owner/app', 'a', URL_OF_UPLOAD);
    const second = openUploadJournal(output, readAbandonedUploads(output));
    second.note('registry.example/owner/other', 'a', `${URL_OF_UPLOAD}2`);
    expect(readAbandonedUploads(output)).toHaveLength(2);
    second.close();
    expect(await readdir(output)).toEqual([]);
  });

  it('only its owner can read the journal of uploads', async () => {
    openUploadJournal(output, []).note('registry.example/owner/app', 'a', URL_OF_UPLOAD);
    expect((await stat(join(output, 'uploads.json'))).mode & 0o777).toBe(0o600);
  });

  it.each(['', '{', '{"repository":1}', '[1, null, {"repository":"a","url":"no url"}]'])(
    'damaged content counts as an empty journal: %j',
    async (content) => {
      await writeFile(join(folder, 'uploads.json'), content);
      expect(readAbandonedUploads(folder)).toEqual([]);
    },
  );
});
