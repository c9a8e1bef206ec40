// Builds the addon for a release, into the prebuildify layout: `npm run native:prebuild` on each platform, before `npm
// publish`.
// Run it on the oldest Linux to support: an addon needs the C library that it was linked with, or a newer one.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { buildAddon, prebuiltAddon } from './install.mjs';

mkdirSync(path.dirname(prebuiltAddon), { recursive: true });
// Link the C++ library statically: a machine without a compiler may have an old one, or none.
await buildAddon(prebuiltAddon, { link: process.platform === 'linux' ? ['-static-libstdc++', '-static-libgcc'] : [] });
console.log(prebuiltAddon);
