/** The public face `espalier/installation`: which families are installed here, and what is in them. It loads no plugin. */
export { listPresets, type Preset } from './config/preset-list.js';
export { builtInFamilies, type Family } from './families/family.js';
export { familyEvents } from './families/events.js';
export { importFrom } from './families/outside.js';
export { families } from './families/packages.js';
export { version } from './version.js';
