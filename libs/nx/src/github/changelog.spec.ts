import { expect, it } from 'vitest';
import { changelogEntry } from './changelog.ts';

// As `nx release` 23.2 writes it: a major version has one "#", the others have two, and the date is optional.
const CHANGELOG = `## 2.1.0-rc.1 (2026-03-01)

This was a version bump only for agent to align it with other projects, there were no code changes.

# 2.0.0 (2026-02-01)

### 🚀 Features

- **agent:** speak of 1.0.1 ([abc](https://example.com))

### ❤️ Thank You

- Ada

## 1.0.1

### 🩹 Fixes

- mend it

## 1.0.0 (2026-01-01)
`;

it.each([
  [
    '2.0.0',
    '### 🚀 Features\n\n- **agent:** speak of 1.0.1 ([abc](https://example.com))\n\n### ❤️ Thank You\n\n- Ada',
  ],
  ['1.0.1', '### 🩹 Fixes\n\n- mend it'],
  [
    '2.1.0-rc.1',
    'This was a version bump only for agent to align it with other projects, there were no code changes.',
  ],
])('a changelog entry is found for %s', (version, entry) => {
  expect(changelogEntry(CHANGELOG, version)).toBe(entry);
  expect(changelogEntry(CHANGELOG.replaceAll('\n', '\r\n'), version)).toBe(entry);
});

it.each(['2.1.0', '1.0', '1.0.0', '2.1.0-rc.10'])('no changelog entry is found for %s', (version) => {
  expect(changelogEntry(CHANGELOG, version)).toBeUndefined();
});
