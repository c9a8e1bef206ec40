import { appendFileSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { lockFolder } from '../../plugins/runs/lock/lock.js';
import { addEvent, range, writeRun } from '../plugins/dashboard/written-run.js';
import { chromium, needing } from '../needs.js';
import { holds, watchedPage } from './browser.js';
import { emptyFolder } from './command.js';
import { opened } from './opened-dashboard.js';

const withChromium = needing(chromium());
const LOSS = 'chart-loss';

/** Three runs with validation losses and samples, two rates and one other optimizer, which `c` was started with last. */
function writeRuns(folder: string): void {
  const runs = [
    { name: 'a', lr: '0.001', use: 'adamw', best: 2.5, end: 'done' },
    { name: 'b', lr: '0.003', use: 'adamw', best: 2.25, end: 'failed' },
    { name: 'c', lr: '0.01', use: 'muon', best: 2.75, end: 'done' },
  ];
  for (const [at, { name, lr, use, best, end }] of runs.entries()) {
    const own = path.join(folder, 'runs', name);
    const config = `seed: 1\nrun: { name: ${name} }\noptimizer: { use: ${use}, learning_rate: ${lr} }\n`;
    writeRun(own, { iterations: range(1, 40), config, time: `2026-01-0${String(at + 1)}T00:00:00.000Z` });
    const lines = [20, 40].map((iter) => {
      const ranks = { 'analysis/rank/key': iter, 'analysis/rank/value': iter };
      return { iter, tokens: 10 * iter, 'val/loss': best + (40 - iter) / 40, ...ranks };
    });
    appendFileSync(path.join(own, 'metrics.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    for (const iteration of name === 'c' ? [20, 40] : [20])
      addEvent(own, 'sample', { iteration, prompt: 'Call ', text: `${name} at ${String(iteration)}` });
    addEvent(own, 'run:end', { status: end, reasons: [], iteration: 40 });
  }
}

async function openedPage(
  t: ExecutionContext,
  args: readonly string[],
  window?: { readonly width: number; readonly height: number },
): Promise<{ page: Page; complaints: string[]; url: string; folder: string }> {
  const { page, complaints } = await watchedPage(t, ['http://127.0.0.1:'], window);
  const folder = emptyFolder(t);
  writeRuns(folder);
  const { url } = await opened(t, folder, 'dashboard', ...args, '--port', '0');
  await page.goto(url);
  await page.locator('.runs-table tbody tr').first().waitFor();
  return { page, complaints, url, folder };
}

/** The rows of the table, each as its cells. */
async function rows(page: Page): Promise<string[][]> {
  const texts: unknown = await page.evaluate(
    `JSON.stringify([...document.querySelectorAll('.runs-table tbody tr')].map((row) => [...row.children].map((cell) => cell.textContent)))`,
  );
  const parsed: unknown = JSON.parse(String(texts));
  return Array.isArray(parsed) ? parsed.map((row: unknown) => (Array.isArray(row) ? row.map(String) : [])) : [];
}

const names = async (page: Page): Promise<string> => (await rows(page)).map(([name]) => name).join(' ');

const selectedRuns = async (page: Page): Promise<string[]> =>
  (await page.locator('#selected li').allInnerTexts()).map((text) => text.trim().replace(/\s+/, ' ')).sort();

withChromium.serial('the table has what differs; it sorts, filters and compares with a baseline', async (t) => {
  const { page, complaints } = await openedPage(t, []);
  t.deepEqual(await page.locator('.runs-table thead th').allInnerTexts(), [
    'Run',
    'Best val. loss',
    'Status',
    'Tokens',
    'Time',
    'optimizer',
    'learning_rate',
  ]);
  t.deepEqual(await rows(page), [
    ['c', '2.7500', 'Done', '400', '20 s', 'muon', '0.01'],
    ['b', '2.2500', 'Failed', '400', '20 s', 'adamw', '0.003'],
    ['a', '2.5000', 'Done', '400', '20 s', 'adamw', '0.001'],
  ]);
  const best = page.getByRole('button', { name: 'Best val. loss' });
  await best.click();
  t.is(await names(page), 'b a c');
  await best.click();
  t.is(await names(page), 'c a b');
  t.is(await page.locator('th[aria-sort]').getAttribute('aria-sort'), 'descending');
  await page.getByRole('button', { name: 'learning_rate' }).press('Enter');
  t.is(await names(page), 'a b c');
  t.is(await page.evaluate('document.activeElement.id'), 'sort-optimizer.learning_rate', 'the focus stays');

  await page.getByLabel('Filter runs').fill('adamw');
  await holds(page, `document.querySelectorAll('.runs-table tbody tr').length === 2`);
  t.is(await names(page), 'a b');
  t.deepEqual(await selectedRuns(page), ['a', 'b'], 'charts show what matches');

  await page.getByRole('button', { name: 'Compare with b' }).press('Enter');
  t.is(await page.evaluate('document.activeElement.ariaLabel'), 'Compare with b', 'the focus stays');
  t.is(await names(page), 'b a', 'the baseline is on top');
  await page.getByLabel('Filter runs').fill('');
  await holds(page, `document.querySelectorAll('.runs-table tbody tr').length === 3`);
  t.deepEqual(
    (await rows(page)).map((row) => [row[0], row[2]]),
    [
      ['b', 'baseline'],
      ['a', '+0.2500'],
      ['c', '+0.5000'],
    ],
  );
  t.deepEqual(await selectedRuns(page), ['a', 'b baseline', 'c']);
  t.deepEqual(complaints, []);
});

withChromium.serial('the address keeps the view: selection, order, folded sections, axis', async (t) => {
  const { page, complaints, folder } = await openedPage(t, []);
  await page.getByRole('checkbox', { name: 'a', exact: true }).uncheck();
  await page.getByRole('button', { name: 'Best val. loss' }).click();
  await page.getByRole('button', { name: 'Compare with c' }).click();
  await page.getByRole('radio', { name: 'Tokens' }).check();
  await page.locator('#section-training > summary').click();
  await holds(page, `location.hash.includes('folded=section-training')`);
  const place = `document.querySelector('#samples-section').getBoundingClientRect().top`;
  await page.getByText('Call c at 20').waitFor();
  const top = await page.evaluate(place);
  const shown = `JSON.stringify([location.hash, ...['.runs-table', '#selected', '#contents'].map((each) => document.querySelector(each).innerText),
    [...document.querySelectorAll('details.section')].map(({ id, open }) => id + open), document.querySelector('[name=axis]:checked').value])`;
  const before = await page.evaluate(shown);
  t.regex(String(before), /section-trainingfalse.*tokens/);
  // New points leave it as it is, too.
  appendFileSync(path.join(folder, 'runs/b/metrics.jsonl'), '{"iter":41,"tokens":410,"val/loss":2.25}\n');
  await holds(page, `document.querySelector('[data-run="runs/b"]').innerText.includes('410')`);
  t.is(String(await page.evaluate(shown)).replaceAll('410', '400'), String(before));
  t.is(await page.evaluate(place), top, 'nothing has moved');
  await page.reload();
  await page.locator('.runs-table tbody tr').first().waitFor();
  await holds(page, `(${shown}).replaceAll('410', '400') === ${JSON.stringify(before)}`);
  t.deepEqual(complaints, []);
});

withChromium.serial(
  'a run has one colour in the table and in its charts; a tooltip has the values of the files',
  async (t) => {
    const { page, complaints, folder } = await openedPage(t, ['runs/a', 'runs/b']);
    t.deepEqual(await selectedRuns(page), ['a', 'b']);
    const chart = page.locator(`[aria-labelledby="${LOSS}"]`);
    await chart.locator('canvas').waitFor();
    const swatch = (where: string): string => `getComputedStyle(${where}.querySelector('.swatch')).borderTopColor`;
    const tableColours: unknown = await page.evaluate(
      `JSON.stringify(['runs/a', 'runs/b'].map((run) => ${swatch('document.querySelector(`[data-run="${run}"]`)')}))`,
    );
    const colours: unknown = JSON.parse(String(tableColours));
    t.true(Array.isArray(colours) && new Set(colours).size === 2);
    const drawn = `(() => {
    const canvas = document.querySelector('[aria-labelledby="${LOSS}"] canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const seen = new Set();
    for (let at = 0; at < data.length; at += 4) if (data[at + 3] === 255) seen.add('rgb(' + data.slice(at, at + 3).join(', ') + ')');
    return ${String(tableColours)}.every((colour) => seen.has(colour));
  })()`;
    await holds(page, drawn);

    const plot = chart.locator('.u-over');
    const box = await plot.boundingBox();
    if (box === null) throw new Error('the chart has a place');
    // The last iteration is at the right edge.
    await page.mouse.move(box.x + box.width - 2, box.y + box.height / 2);
    const tooltip = chart.locator('.tooltip');
    await tooltip.waitFor();
    const shown: Record<string, string[]> = {};
    for (const row of await tooltip.locator('tbody tr').all()) {
      const [name = '', ...values] = await row.locator('th, td').allInnerTexts();
      shown[name.trim()] = values;
    }
    const written = (run: string): string[] => {
      const lines = readFileSync(path.join(folder, 'runs', run, 'metrics.jsonl'), 'utf8')
        .trimEnd()
        .split('\n');
      const last = (metric: string): string => {
        const found = lines.findLast((line) => line.includes(`"${metric}"`)) ?? '';
        return new RegExp(`"${metric}":([^,}]+)`).exec(found)?.[1] ?? '';
      };
      return [last('val/loss'), last('train/loss')];
    };
    t.deepEqual(shown, { a: written('a'), b: written('b') });
    const tooltipColours: unknown = await page.evaluate(
      `JSON.stringify(['a', 'b'].map((run) => ${swatch('[...document.querySelectorAll(".tooltip:not([hidden]) tbody tr")].find((row) => row.innerText.trim().startsWith(run))')}))`,
    );
    t.is(tooltipColours, tableColours);
    t.deepEqual(complaints, []);
  },
);

withChromium.serial('samples are side by side at one iteration; "Live" is shown only while a run trains', async (t) => {
  const { page, complaints, folder } = await openedPage(t, []);
  const samples = page.locator('.sample');
  await samples.nth(2).waitFor();
  t.deepEqual(
    (await samples.allInnerTexts()).map((text) => text.trim().split(/\n+/)),
    [
      ['c', 'Call c at 20'],
      ['b', 'Call b at 20'],
      ['a', 'Call a at 20'],
    ],
    'the newest that all have',
  );
  await page.getByLabel('Iteration of the samples').press('End');
  await page.getByText('Call c at 40').waitFor();
  t.is(await page.getByText('No sample at iteration 40.').count(), 2);

  const live = page.locator('#connection');
  t.is(await live.innerText(), '');
  writeRun(path.join(folder, 'runs/d'), { iterations: range(1, 10) });
  const release = await lockFolder(path.join(folder, 'runs/d'));
  await page.getByText('Live').waitFor();
  t.regex((await rows(page))[0]?.join(' ') ?? '', /^d .*Training/, 'what trains comes first');
  release();
  addEvent(path.join(folder, 'runs/d'), 'run:end', { status: 'done', reasons: [], iteration: 10 });
  await holds(page, `document.querySelector('#connection').textContent === ''`);
  t.deepEqual(complaints, []);
});

withChromium.serial('only charts near the screen are drawn, with what was chosen meanwhile', async (t) => {
  const { page, complaints } = await openedPage(t, [], { width: 1000, height: 300 });
  const charts = page.locator('#charts .chart');
  await charts.first().locator('canvas').waitFor();
  const last = charts.last();
  t.is(await last.locator('canvas').count(), 0);
  await page.getByRole('radio', { name: 'Tokens' }).check();
  await last.scrollIntoViewIfNeeded();
  await last.locator('canvas').waitFor();
  await holds(page, `document.querySelectorAll('[aria-labelledby="${LOSS}"] canvas').length === 0`);
  await last.locator('.frame').focus();
  await last.locator('.frame').press('End');
  t.regex(await last.locator('[aria-live]').innerText(), /^tokens 400: /);
  await page.evaluate(`dispatchEvent(new Event('beforeprint'))`);
  await holds(page, `document.querySelectorAll('#charts .chart:not(:has(canvas))').length === 0`);
  await page.evaluate(`dispatchEvent(new Event('afterprint'))`);
  t.is(await page.locator(`[aria-labelledby="${LOSS}"] canvas`).count(), 0);
  t.deepEqual(complaints, []);
});

withChromium.serial('on a phone nothing is wider than the screen, and it works by touch', async (t) => {
  const { page, complaints } = await openedPage(t, [], { width: 375, height: 812 });
  const chart = page.locator(`[aria-labelledby="${LOSS}"]`);
  await chart.locator('canvas').waitFor();
  // Small multiples, two next to each other.
  await page.locator('.multiples').scrollIntoViewIfNeeded();
  await page.locator('.multiples .chart.small canvas').first().waitFor();
  const fits = 'document.documentElement.scrollWidth <= innerWidth && innerWidth === 375';
  t.true(await page.evaluate(fits));
  t.false(await page.getByRole('radio', { name: 'Tokens' }).isVisible());
  await page.getByRole('button', { name: 'Menu' }).tap();
  const menu = await page.locator('#side').boundingBox();
  const bar = await page.locator('header.top').boundingBox();
  t.deepEqual([menu?.y, (menu?.y ?? 0) + (menu?.height ?? 0)], [bar?.height, 812], 'it is below the bar, and scrolls');
  t.true(await page.getByLabel('Theme').isVisible());
  await page.locator('.choices').getByText('Tokens').tap();
  t.true(await page.getByRole('radio', { name: 'Tokens' }).isChecked());
  await page.locator('#contents').getByText('Training').tap();
  t.false(await page.getByRole('radio', { name: 'Tokens' }).isVisible(), 'a chosen section closes the menu');
  const plot = chart.locator('.u-over');
  await plot.tap({ position: { x: 150, y: 60 } });
  await chart
    .locator('.tooltip')
    .getByText(/^tokens/)
    .waitFor();
  const box = await chart.locator('.tooltip').boundingBox();
  t.true(box !== null && box.x >= 0 && box.x + box.width <= 375, 'the values are on the screen');
  await chart.getByRole('button', { name: 'Zoom in' }).tap();
  await chart.getByRole('button', { name: 'Show all' }).waitFor();
  t.true(await page.evaluate(fits));
  t.deepEqual(complaints, []);
});
