import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { licenseOf } from './license-text.ts';

// From packages that this workspace depends on.
const textOf = (name: string, file = 'LICENSE'): string =>
  readFileSync(new URL(`../../../../../node_modules/${name}/${file}`, import.meta.url), 'utf8');
const MIT = textOf('leven', 'license');

describe('the license of a text', () => {
  it.each([
    ['MIT', 'valibot', 'LICENSE.md'],
    ['MIT', 'execa', 'license'],
    ['ISC', 'semver', 'LICENSE'],
    ['Apache-2.0', '@cyclonedx/cyclonedx-library', 'LICENSE'],
  ])('the license of a text is %s for that of %s', (id, name, file) => {
    expect(licenseOf(textOf(name, file))).toBe(id);
  });

  const BSD = [
    'Copyright (c) 2009 The Go Authors. All rights reserved.\n\nRedistribution and use in source and binary forms, with or without\nmodification, are permitted provided that the following conditions are met:\n',
    '   * Redistributions of source code must retain the above copyright notice, this list of conditions and the following disclaimer.\n   * Redistributions in binary form must reproduce the above copyright notice, this list of conditions and the following disclaimer in the documentation and/or other materials provided with the distribution.\n',
    '   * Neither the name of Google Inc. nor the names of its contributors may be used to endorse or promote products derived from this software without specific prior written permission.\n',
    '\nTHIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT OWNER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.\n',
  ] as const;

  it('the license of a text is BSD-3-Clause for any owner, and BSD-2-Clause without the third clause', () => {
    expect(licenseOf(BSD.join(''))).toBe('BSD-3-Clause');
    expect(licenseOf(BSD.join('').replace('Google Inc.', 'the copyright holder'))).toBe('BSD-3-Clause');
    expect(licenseOf([BSD[0], BSD[1], BSD[3]].join(''))).toBe('BSD-2-Clause');
  });

  it.each<[string, string]>([
    ['with a sentence before it', `You may not sell it.\n\n${MIT}`],
    ['with a sentence after it', `${MIT}\nYou may not sell it.\n`],
    ['with a missing word', MIT.replace('without restriction', '')],
    ['with an additional word', MIT.replace('shall be included', 'shall not be included')],
    ['together with another license', `${MIT}\n${BSD.join('')}`],
    ['that is empty', ''],
    ['of a tool with many licenses', textOf('@typescript/native', 'NOTICE.txt')],
  ])('the license of a text is unknown for a text %s', (_, text) => {
    expect(licenseOf(text)).toBeUndefined();
  });

  it('the license of a text is unknown if any word is missing', () => {
    const words = MIT.split(/(?<=\s)/);
    const first = words.findIndex((word) => word.startsWith('Permission'));
    fc.assert(
      fc.property(fc.integer({ min: first, max: words.length - 1 }), (index) => {
        fc.pre(/[a-z0-9]/i.test(words[index] ?? ''));
        expect(licenseOf(words.toSpliced(index, 1).join(''))).toBeUndefined();
      }),
    );
  });
});
