import { readFileSync } from 'node:fs';
import test from 'ava';
import { referencePages } from './pages.js';

test('the reference pages are current: `npm run docs` writes them', async (t) => {
  for (const [name, text] of Object.entries(await referencePages())) {
    t.is(readFileSync(`docs/${name}`, 'utf8'), text, `docs/${name} is out of date`);
  }
});
