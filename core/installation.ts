/** The public face `espalier/installation`: the installed families and their contents, without loading a plugin. */
export { builtInFamilies, type Family } from './families/family.js';
export { familyEvents } from './families/events.js';
export { importFrom } from './families/outside.js';
export { families, installedPackages, packageFamilies, type InstalledPackage } from './families/packages.js';
export { presetFolder, version } from './version.js';
