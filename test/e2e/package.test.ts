import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { z } from 'zod';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const packed = z.array(z.object({ files: z.array(z.object({ path: z.string() })) }));

test('the npm package contains everything that an installed espalier needs: C++ sources, presets, pages and guides', async (t) => {
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const { stdout } = await promisify(execFile)('npm', args, { cwd: root, maxBuffer: 1 << 26 });
  const [only] = packed.parse(JSON.parse(stdout));
  const there = new Set(only?.files.map((file) => file.path));
  for (const folder of ['plugins/engines/native/src', 'plugins/scaffolds/templates', 'presets', 'docs']) {
    const entries = readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true });
    const wanted = entries.flatMap((entry) =>
      entry.isFile() ? [path.relative(root, path.join(entry.parentPath, entry.name)).replaceAll('\\', '/')] : [],
    );
    t.deepEqual(
      wanted.filter((file) => !there.has(file)),
      [],
    );
  }
  const scripts = ['addon', 'compile', 'install'].map((name) => `plugins/engines/native/${name}.mjs`);
  for (const file of ['core/install.mjs', ...scripts, 'plugins/dashboard/page/index.html']) {
    t.true(there.has(file), file);
  }
  t.false(there.has('plugins/engines/native/prebuild.mjs'), 'only a release needs it');
});
