import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';

test('docs/reference/errors.md lists every error code of the source, and no other', (t) => {
  const thrown = ['core', 'plugins'].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => codesIn(readFileSync(path.join(folder, file), 'utf8'))),
  );
  const listed = codesIn(readFileSync('docs/reference/errors.md', 'utf8'));
  t.deepEqual([...new Set(listed)].sort(), [...new Set(thrown)].sort());
});

function codesIn(text: string): string[] {
  return text.match(/\bESP_[A-Z0-9_]*[A-Z0-9]\b/g) ?? [];
}
