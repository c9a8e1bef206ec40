/** The public face `espalier/installation`: which families are installed here, and what is in them. It loads no plugin. */
export { builtInFamilies, type Family } from './families/family.js';
export { familyEvents } from './families/events.js';
export { importFrom } from './families/outside.js';
export { families, packageFamilies } from './families/packages.js';
export { presetFolder, version } from './version.js';
