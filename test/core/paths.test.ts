import { homedir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import fc from '../property.js';
import { homeExpanded, resolveFrom } from '../../core/paths.js';

test('~ alone and before a slash is the home folder', (t) => {
  t.is(path.resolve(homeExpanded('~')), homedir());
  t.is(homeExpanded('~/data/book.txt'), path.join(homedir(), 'data', 'book.txt'));
  t.is(resolveFrom('/x', '~/runs', 'checkpoints'), path.join(homedir(), 'runs', 'checkpoints'));
  t.is(resolveFrom('/x', './~/a'), path.resolve('/x/~/a'));
});

test('every other name stays as it is', (t) => {
  fc.assert(
    fc.property(
      fc.string().filter((name) => !/^~($|[\\/])/.test(name)),
      (name) => {
        t.is(homeExpanded(name), name);
        t.is(resolveFrom('/x', name), path.resolve('/x', name));
      },
    ),
  );
});
