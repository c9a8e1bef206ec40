import path from 'node:path';
import test from 'ava';
import { Client } from '../../../../plugins/logs/wandb/http.js';
import { Lines, itemsOf } from '../../../../plugins/logs/wandb/records.js';
import { RunFile } from '../../../../plugins/logs/wandb/run-file.js';
import { Uploader } from '../../../../plugins/logs/wandb/uploader.js';
import { emptyFolder } from '../../../e2e/command.js';
import { run } from './run-part.js';
import { StandIn } from './stand-in.js';

test('an upload started before anything is written sends what is written later', async (t) => {
  const standIn = await StandIn.start(t);
  const folder = emptyFolder(t);
  const file = new RunFile(path.join(folder, 'run-abc.wandb'), {
    runId: 'abc',
    position: 0,
    records: 0,
    onFailure: (line) => {
      t.fail(line);
    },
  });
  const source = { file: file.path, filesFolder: folder, lines: new Lines(), untouched: new Lines(), rowsBefore: 0 };
  const retry = { first: 0.05, most: 0.1, give_up_after: 1 };
  const server = new Client({ baseUrl: standIn.url, apiKey: 'a'.repeat(40), agent: 'test', retry }, t.log);
  const uploader = new Uploader(source, server);

  file.write({ run });
  await uploader.push();
  t.is(standIn.requests, 0);

  file.write({ history: { item: itemsOf({ loss: 2 }), step: { num: 1 } } });
  await file.close();
  await uploader.push();
  t.deepEqual(standIn.run.history, [{ loss: 2 }]);
});
