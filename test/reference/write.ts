import { writeFileSync } from 'node:fs';
import { referencePages } from './pages.js';

const docs = new URL('../../../docs/', import.meta.url);

for (const [name, text] of Object.entries(await referencePages())) {
  writeFileSync(new URL(name, docs), text);
  console.log(`docs/${name}`);
}
