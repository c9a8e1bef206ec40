#!/usr/bin/env node
// Fails where files of core/ and plugins/ import each other in a circle, imports of types included: dependency-cruiser
// reads what tsc emits, where those have left no trace.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

const files = ['core', 'plugins']
  .flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => path.posix.join(folder, name)),
  )
  .filter((file) => /\.c?ts$/.test(file) && !file.endsWith('.d.ts'));
const known = new Set(files);
const imports = new Map(files.map((file) => [file, importsOf(file)]));

const circles = circlesIn(files);
for (const circle of circles) console.error(`import cycle: ${circle.join(' → ')}`);
process.exitCode = circles.length > 0 ? 1 : 0;

function importsOf(file) {
  const { importedFiles } = ts.preProcessFile(readFileSync(file, 'utf8'));
  return importedFiles
    .map(({ fileName }) => path.posix.join(path.posix.dirname(file), fileName).replace(/\.(c?)js$/, '.$1ts'))
    .filter((to) => known.has(to) && to !== file);
}

/** One circle for each group of files that reach each other: the first that a walk closes. */
function circlesIn(all) {
  const found = [];
  const done = new Set();
  const walk = (file, chain) => {
    const at = chain.indexOf(file);
    if (at >= 0) found.push([...chain.slice(at), file]);
    if (at >= 0 || done.has(file)) return;
    for (const to of imports.get(file)) walk(to, [...chain, file]);
    done.add(file);
  };
  for (const file of all) walk(file, []);
  return found;
}
