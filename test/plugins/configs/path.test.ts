import test from 'ava';
import fc from '../../property.js';
import { pathKey } from '../../../core/config/composed.js';
import { parsePath, readPath } from '../../../plugins/configs/layers/path.js';
import { UsageError } from '../../../core/errors.js';

const anyPath = fc.array(fc.string(), { minLength: 1, maxLength: 4 });

test('any path survives being written and parsed', (t) => {
  fc.assert(
    fc.property(anyPath, (path) => {
      t.deepEqual(parsePath(pathKey(path)), path);
    }),
  );
});

test('a plain key needs no quotes; one with a dot does', (t) => {
  t.is(pathKey(['model', 'n_head']), 'model.n_head');
  t.is(pathKey(['plugins', './my.ts', 'above']), 'plugins."./my.ts".above');
  t.deepEqual(parsePath("plugins.'./my.ts'.above"), ['plugins', './my.ts', 'above']);
});

test('reading stops at the equals sign outside quotes', (t) => {
  t.deepEqual(readPath('a."b=c"=d=e'), { path: ['a', 'b=c'], rest: '=d=e' });
});

for (const bad of ['', '.a', 'a..b', 'a.', 'a."b', 'a b']) {
  test(`"${bad}" is no path`, (t) => {
    t.throws(() => parsePath(bad), { instanceOf: UsageError, code: 'ESP_CONFIG_PATH' });
  });
}
