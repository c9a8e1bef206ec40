import { readFileSync } from 'node:fs';
import test from 'ava';
import { CONFIG_TYPES, configTypes } from './config-types.js';
import { codesWithoutMeaning } from './errors-page.js';
import { referencePages } from './pages.js';
import { pluginsWithoutGuide } from './plugins-page.js';

test('the reference pages are current: `npm run docs` writes them', async (t) => {
  for (const [name, text] of Object.entries(await referencePages())) {
    t.is(readFileSync(`docs/${name}`, 'utf8'), text, `docs/${name} is out of date`);
  }
});

test('the types of configs are current: `npm run docs` writes them', async (t) => {
  t.is(readFileSync(CONFIG_TYPES, 'utf8'), await configTypes());
});

test('every error code has a meaning', (t) => {
  t.deepEqual(codesWithoutMeaning(), []);
});

test('every built-in plugin is in a guide', async (t) => {
  t.deepEqual(await pluginsWithoutGuide(), []);
});
