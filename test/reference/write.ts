import { writeFileSync } from 'node:fs';
import { CONFIG_TYPES, configTypes } from './config-types.js';
import { referencePages } from './pages.js';

const docs = new URL('../../../docs/', import.meta.url);

for (const [name, text] of Object.entries(await referencePages())) {
  writeFileSync(new URL(name, docs), text);
  console.log(`docs/${name}`);
}

writeFileSync(new URL(`../${CONFIG_TYPES}`, docs), await configTypes());
console.log(CONFIG_TYPES);
