import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { addEvent, range, writeRun } from '../plugins/dashboard/written-run.js';
import { chromium, needing } from '../needs.js';
import { colouredPixels, holds, watchedPage } from './browser.js';
import { emptyFolder, espalier as espalierAlone } from './command.js';
import { opened } from './opened-dashboard.js';
import { espalier } from './warm.js';

const withChromium = needing(chromium());
const LOSS = 'chart-loss';

withChromium.serial('a run that ended: curves, words and numbers, by mouse and by keyboard', async (t) => {
  const { page, complaints } = await watchedPage(t, ['http://127.0.0.1:']);
  const folder = emptyFolder(t);
  writeRun(path.join(folder, 'runs/new'), { iterations: range(1, 100), config: 'seed: 7\nmodel: <b>small</b>\n' });
  addEvent(path.join(folder, 'runs/new'), 'sample', { iteration: 100, prompt: 'Call me ', text: '<i>Ishmael</i>' });
  addEvent(path.join(folder, 'runs/new'), 'run:end', { status: 'done', reasons: [], iteration: 100 });
  const { url } = await opened(t, folder, 'dashboard', '--port', '0');

  await page.goto(url);
  await page.getByRole('heading', { level: 2, name: 'runs/new' }).waitFor();
  await page.locator(`[aria-labelledby="${LOSS}"] canvas`).waitFor();
  const alone = await colouredPixels(page, LOSS);
  t.true(alone > 500, String(alone));
  t.is(await page.locator('#front-status').innerText(), 'Done');
  await page.getByText('Call me <i>Ishmael</i>').waitFor();
  t.true((await page.locator('#config').innerText()).includes('model: <b>small</b>'));
  t.is(await page.title(), 'runs/new – Espalier');
  t.is(await page.locator('#connection').innerText(), '', 'nothing trains');
  t.false(await page.locator('#runs-section').isVisible(), 'one run needs no table');
  t.false((await page.locator('#contents').innerText()).includes('Runs'));

  // Everything that takes part has a name for those who do not see it.
  const nameless: unknown = await page.evaluate(`[...document.querySelectorAll('input, select, button, [tabindex="0"]')]
    .filter((each) => each.checkVisibility() && !(each.labels?.length || each.ariaLabel || each.textContent.trim()))
    .map((each) => each.outerHTML)`);
  t.deepEqual(nameless, []);

  // By keyboard alone: from the top to the log scale, then to the chart.
  const picture = (): Promise<unknown> =>
    page.evaluate(`document.querySelector('[aria-labelledby="${LOSS}"] canvas').toDataURL()`);
  const before = await picture();
  await page.locator('.skip').focus();
  for (let at = 0; at < 12 && (await page.evaluate('document.activeElement.id')) !== 'log'; at++) {
    await page.keyboard.press('Tab');
  }
  await page.keyboard.press('Space');
  t.true(await page.getByRole('checkbox', { name: 'Log scale' }).isChecked());
  await holds(
    page,
    `document.querySelector('[aria-labelledby="${LOSS}"] canvas').toDataURL() !== ${JSON.stringify(before)}`,
  );
  const chart = page.locator(`[aria-labelledby="${LOSS}"]`);
  await chart.locator('.frame').focus();
  await page.keyboard.press('End');
  const spoken = chart.locator('[aria-live]');
  t.is(await spoken.innerText(), 'iteration 100: Training loss 3 nats');
  await page.keyboard.press('ArrowLeft');
  t.is(await spoken.innerText(), 'iteration 99: Training loss 3.01 nats');
  const tooltip = chart.locator('.tooltip');
  t.regex(await tooltip.innerText(), /^iteration 99\s+runs\/new\s+3\.01$/);
  await page.keyboard.press('+');
  await chart.getByRole('button', { name: 'Show all' }).waitFor();
  await page.keyboard.press('0');
  await chart.getByRole('button', { name: 'Show all' }).waitFor({ state: 'hidden' });
  await chart.getByText('Values').click();
  t.regex(await chart.getByRole('table').innerText(), /runs\/new\s+3 nats\s+3 nats\s+3\.99 nats\s+100/);

  await page.getByRole('radio', { name: 'Training time' }).check();
  await chart.locator('.frame').focus();
  // The chart of the new axis comes when its numbers do.
  const place = tooltip.locator('th').first();
  for (let tries = 0; tries < 100 && (await place.textContent()) !== '0.5 s'; tries++) {
    await page.keyboard.press('Home');
    await page.waitForTimeout(50);
  }
  t.is(await place.textContent(), '0.5 s');
  await page.getByLabel('Smoothing').press('End');
  await page.getByLabel('Theme').selectOption('dark');
  t.is(await page.evaluate(`getComputedStyle(document.body).backgroundColor`), 'rgb(18, 21, 18)');
  t.deepEqual(complaints, []);
});

withChromium.serial('while a run trains new points arrive, and the page shows the end', async (t) => {
  const { page, complaints } = await watchedPage(t, ['http://127.0.0.1:']);
  const folder = emptyFolder(t);
  const settings = [
    'engine=cpu',
    'run.dir=out',
    'train.max_iters=100000',
    'plugins.dashboard.port=0',
    'plugins.training-metrics.interval=1',
    'plugins.evaluation=false',
  ];
  const args = settings.flatMap((setting) => ['--set', setting]);
  const { url, child } = await opened(t, folder, 'train', '--preset', 'debug', ...args);
  await page.goto(url);
  const iteration = `Number(document.querySelector('#overview dd')?.firstChild.textContent.replaceAll(',', '') ?? 0)`;
  await holds(page, `${iteration} > 0`);
  t.true((await page.locator('#front-status').innerText()).includes('Training'));
  t.is(await page.locator('#connection').innerText(), 'Live');
  const first = Number(await page.evaluate(iteration));
  await holds(page, `${iteration} > ${String(first)}`);
  await page.locator(`[aria-labelledby="${LOSS}"] canvas`).waitFor();
  t.regex(await page.locator('#environment').innerText(), /engine\s+cpu/);

  const ended = new Promise((resolve) => child.on('close', resolve));
  child.kill('SIGTERM');
  await page.getByText('The server has ended').waitFor();
  await holds(page, `document.querySelector('#front-status').textContent === 'Stopped'`);
  t.is(await ended, 143);
  const written = readFileSync(path.join(folder, 'out/metrics.jsonl'), 'utf8').trimEnd().split('\n').length;
  await page.locator(`[aria-labelledby="${LOSS}"]`).getByText('Values').click();
  const row = await page.locator(`[aria-labelledby="${LOSS}"]`).getByRole('row', { name: 'out' }).innerText();
  t.is(Number(row.split(/\s+/).at(-1)?.replaceAll(',', '')), written, 'the last points have arrived');
  t.deepEqual(complaints, []);
});

withChromium.serial('a chart of a million points is drawn', async (t) => {
  const { page, complaints } = await watchedPage(t, ['http://127.0.0.1:']);
  const folder = emptyFolder(t);
  writeRun(path.join(folder, 'long'), { iterations: [1] });
  const file = openSync(path.join(folder, 'long/metrics.jsonl'), 'w');
  for (let from = 0; from < 1_000_000; from += 10_000) {
    const lines = range(from + 1, from + 10_000).map(
      (iter) => `{"iter":${String(iter)},"tokens":${String(iter)},"train/loss":${String(2 + Math.sin(iter / 1e4))}}\n`,
    );
    writeSync(file, lines.join(''));
  }
  closeSync(file);
  const { url } = await opened(t, folder, 'dashboard', 'long', '--port', '0');
  await page.goto(url);
  await page.locator(`[aria-labelledby="${LOSS}"] canvas`).waitFor();
  t.true((await colouredPixels(page, LOSS)) > 500);
  const answer = await (await fetch(`${url}api/series?run=long&metric=train/loss&width=1000&smoothing=0.9`)).text();
  t.true(answer.length < 200_000, String(answer.length));
  const chart = page.locator(`[aria-labelledby="${LOSS}"]`);
  await chart.getByText('Values').click();
  t.regex(await chart.getByRole('table').innerText(), /1,000,000/);
  t.deepEqual(complaints, []);
});

withChromium.serial(
  'a report is one file that shows the run anywhere, and runs nothing that the run wrote',
  async (t) => {
    const { page, complaints } = await watchedPage(t, ['file:///', 'data:']);
    const folder = emptyFolder(t);
    const evil = '</script><script>globalThis.harmed = 1</script><img src=x onerror="globalThis.harmed = 1"><!--';
    writeRun(path.join(folder, 'runs/one'), { iterations: range(1, 100), config: `name: ${evil}\n` });
    addEvent(path.join(folder, 'runs/one'), 'sample', { iteration: 50, prompt: evil, text: evil });
    addEvent(path.join(folder, 'runs/one'), 'metric', {
      name: 'lr',
      unit: evil,
      what: `${evil} ${'and more '.repeat(40)}`,
    });
    addEvent(path.join(folder, 'runs/one'), 'run:end', { status: 'failed', reasons: [evil], iteration: 100 });
    const { code, out, err } = await espalierAlone(folder, 'report', '-o', 'mine.html');
    t.is(code, 0, err);
    t.is(out, 'report: mine.html\n');

    await page.goto(pathToFileURL(path.join(folder, 'mine.html')).href);
    await page.locator(`[aria-labelledby="${LOSS}"] canvas`).waitFor();
    t.true((await colouredPixels(page, LOSS)) > 500);
    t.true((await page.locator('#samples').innerText()).includes(evil));
    t.true((await page.locator('#config').innerText()).includes(evil));
    t.true((await page.locator('#overview').innerText()).includes(evil));
    t.regex(await page.locator('#environment').innerText(), /v20\.0\.0/);
    t.regex(await page.locator('#numbers').innerText(), /Training loss\s+train\/loss\s+3 nats/);
    const cutOff = `[...document.querySelectorAll('.what')].filter((each) => each.scrollWidth > each.clientWidth).length`;
    t.is(await page.evaluate(cutOff), 0, 'descriptions are whole');
    t.true((await page.locator('.what').count()) > 0);
    t.is(await page.evaluate('globalThis.harmed'), undefined);
    t.is(await page.locator('img').count(), 0);
    t.deepEqual(complaints, []);
  },
);

test.serial('a run ends with its report; the commands report missing runs', async (t) => {
  const folder = emptyFolder(t);
  const trained = await espalier(
    folder,
    'train',
    '--preset',
    'debug',
    '--set',
    'engine=auto',
    '--set',
    'precision=f32',
    '--set',
    'train.max_iters=3',
  );
  t.is(trained.code, 0, trained.err);
  t.regex(trained.err, /report: runs\/debug\/report\.html/);
  t.regex(readFileSync(path.join(folder, 'runs/debug/report.html'), 'utf8'), /"status":"done"/);
  const mistakes: [string[], RegExp][] = [
    [['dashboard', 'none'], /no run in none, which does not exist.*ESP_RUN_NOT_FOUND/],
    [['report', 'none'], /ESP_RUN_NOT_FOUND/],
    [['dashboard', '--host', '192.0.2.1'], /cannot listen at 192\.0\.2\.1.*ESP_DASHBOARD_LISTEN/],
    [['dashboard', '--port', 'x'], /whole number/],
    [['report', '-o', 'no/such/folder.html'], /cannot be written.*ESP_REPORT_WRITE/],
  ];
  await Promise.all(
    mistakes.map(async ([args, message]) => {
      const { code, err } = await espalier(folder, ...args);
      t.is(code, 2, err);
      t.regex(err, message);
    }),
  );
});
