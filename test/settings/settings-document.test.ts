import { readFileSync } from 'node:fs';
import t from 'tap';
import { settingsDocument } from '../../src/settings/settings-document.js';

void t.test('settings: docs/settings.md is what `headrace conf list --markdown` prints', async (t) => {
  t.equal(readFileSync('docs/settings.md', 'utf8'), settingsDocument());
});
