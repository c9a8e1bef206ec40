import { readFileSync } from 'node:fs';
import test from 'ava';
import { referencePages } from './pages.js';
import { pluginsWithoutGuide } from './plugins-page.js';

test('the reference pages are current: `npm run docs` writes them', async (t) => {
  for (const [name, text] of Object.entries(await referencePages())) {
    t.is(readFileSync(`docs/${name}`, 'utf8'), text, `docs/${name} is out of date`);
  }
});

test('every built-in plugin is in a guide', async (t) => {
  t.deepEqual(await pluginsWithoutGuide(), []);
});
