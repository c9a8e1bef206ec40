import { appendFileSync } from 'node:fs';
import { request } from 'node:http';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { dashboardApp } from '../../../plugins/dashboard/server/app.js';
import { portNote, isLocal, refusal } from '../../../plugins/dashboard/server/address.js';
import { RunLibrary } from '../../../plugins/dashboard/server/run-library.js';
import { serveInWorker } from '../../../plugins/dashboard/server/serve-in-worker.js';
import { serveDashboard, type Dashboard, type ServeOptions } from '../../../plugins/dashboard/server/serve.js';
import { emptyFolder } from '../../e2e/command.js';
import { lossLines, range, writeRun } from './written-run.js';

async function served(
  t: ExecutionContext,
  options: Partial<ServeOptions> = {},
): Promise<Dashboard & { folder: string }> {
  const folder = emptyFolder(t);
  writeRun(folder, { iterations: range(1, 10) });
  const find = (): { name: string; folder: string }[] => [{ name: 'run', folder }];
  const dashboard = await serveDashboard({ find, host: '127.0.0.1', port: 0, ...options });
  t.teardown(() => dashboard.close());
  return { ...dashboard, folder };
}

/** The status of an answer to a request that names a host of its own. */
function statusFor(url: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
}

test('the page, its modules and its numbers are served; what is not there is not found', async (t) => {
  const { url } = await served(t);
  const page = await fetch(url);
  t.is(page.status, 200);
  const html = await page.text();
  t.notRegex(html, /https?:\/\/(?!127)/, 'nothing from elsewhere');
  t.regex(page.headers.get('content-security-policy') ?? '', /default-src 'none'/);
  for (const file of ['page/main.js', 'page/uplot.js', 'page/style.css'])
    t.is((await fetch(url + file)).status, 200, file);
  // The runs are known once a page looks at them.
  const live = await fetch(`${url}api/live`);
  await live.body?.getReader().read();
  const series = await fetch(`${url}api/series?run=run&metric=train/loss&axis=tokens`);
  const answer: unknown = await series.json();
  t.deepEqual(answer, [
    {
      raw: { x: range(1, 10).map((at) => 10 * at), y: range(1, 10).map((at) => 4 - at / 100) },
      smooth: null,
    },
  ]);
  const both: unknown = await (await fetch(`${url}api/series?run=none&run=run&metric=lr`)).json();
  t.like(both, { 0: null, 1: { raw: { y: range(1, 10).map(() => 0.001) } }, length: 2 });
  t.is((await fetch(`${url}api/details?run=run`)).status, 200);
  for (const missing of [
    'page/../../package.json',
    'page/%2e%2e%2fapp.js',
    'page/nothing.js',
    'api/details?run=../run',
    'api/series?run=run&metric=none',
    'nothing',
  ]) {
    t.is((await fetch(url + missing)).status, 404, missing);
  }
  t.is((await fetch(`${url}api/series?run=run&metric=lr&width=1e9`)).status, 400);
  t.is((await fetch(url, { method: 'POST' })).status, 404);
});

test('open pages get new metrics, and the end of the run', async (t) => {
  const dashboard = await served(t);
  const { url, folder } = dashboard;
  const response = await fetch(`${url}api/live`);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const until = async (pattern: RegExp): Promise<string> => {
    let text = '';
    while (!pattern.test(text)) {
      const { value, done } = (await reader?.read()) ?? { done: true, value: undefined };
      if (done) return text;
      text += value;
    }
    return text;
  };
  t.regex(await until(/"iteration":10,/), /^event: runs/);
  appendFileSync(path.join(folder, 'metrics.jsonl'), lossLines([11]));
  t.regex(await until(/"iteration":11,/), /"points":11/);
  const closed = dashboard.close();
  t.regex(await until(/event: end/), /event: end/);
  await closed;
  await t.throwsAsync(fetch(url));
});

test('a server for this machine refuses requests that name another', async (t) => {
  const { url } = await served(t);
  const { port } = new URL(url);
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, 'localhost:8000', '[::1]:1']) {
    t.is(await statusFor(url, host), 200, host);
  }
  for (const host of ['evil.example', `evil.example:${port}`, 'localhost.evil.example', 'localhost.']) {
    t.is(await statusFor(url, host), 403, host);
  }
});

test('a server for others asks for its token', async (t) => {
  const { url } = await served(t, { host: '0.0.0.0' });
  const { port, pathname } = new URL(url);
  t.regex(pathname, /^\/[\w-]{32}\/$/);
  const at = (rest: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${rest}`);
  t.is((await at(pathname)).status, 200);
  t.is((await at(pathname.slice(0, -1))).url.endsWith(pathname), true, 'the slash at the end may be forgotten');
  t.is((await at(`${pathname}page/main.js`)).status, 200);
  t.is((await at(`${pathname}api/details?run=none`)).status, 404);
  for (const wrong of [
    '/',
    '/page/main.js',
    '/api/live',
    `${pathname.slice(0, -2)}/`,
    `/x${pathname}`,
    '/api/details?run=run',
  ]) {
    t.is((await at(wrong)).status, 403, wrong);
  }
  const other = await served(t, { host: '0.0.0.0' });
  t.not(new URL(other.url).pathname, pathname);
});

test('behind a proxy: redirects are relative, and nothing holds events back', async (t) => {
  const { url } = await served(t, { host: '0.0.0.0' });
  const { port, pathname } = new URL(url);
  const at = `http://127.0.0.1:${port}`;
  const redirect = await fetch(at + pathname.slice(0, -1), { redirect: 'manual' });
  t.is(redirect.status, 302);
  const location = redirect.headers.get('location') ?? '';
  t.is(new URL(location, `http://proxy/prefix${pathname.slice(0, -1)}`).pathname, `/prefix${pathname}`);
  const live = await fetch(`${at}${pathname}api/live`);
  t.is(live.headers.get('x-accel-buffering'), 'no');
  await live.body?.cancel();
  t.is((await fetch(`${at}${pathname}api/live`, { method: 'HEAD' })).status, 200);
});

test('more than 64 open pages are refused, until one is closed', async (t) => {
  const { url } = await served(t);
  const open = await Promise.all(Array.from({ length: 64 }, () => fetch(`${url}api/live`)));
  t.true(open.every(({ status }) => status === 200));
  const refused = await fetch(`${url}api/live`);
  t.is(refused.status, 503);
  t.is(await refused.text(), '64 pages are open: close some, then reload this one');
  for (const { body } of open) await body?.cancel();
  let status = 503;
  for (let tries = 0; status !== 200 && tries < 100; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const again = await fetch(`${url}api/live`);
    ({ status } = again);
    await again.body?.cancel();
  }
  t.is(status, 200);
});

test('which addresses are this machine’s alone', (t) => {
  for (const host of ['127.0.0.1', '127.8.9.1', '::1', 'localhost']) t.true(isLocal(host), host);
  for (const host of ['0.0.0.0', '::', '192.168.0.1', 'example.org', '128.0.0.1']) t.false(isLocal(host), host);
  const server = { host: '127.0.0.1', token: undefined };
  t.is(refusal({ path: '/', host: 'LOCALHOST:1' }, server), undefined);
});

test('if a port is taken, the next one is used; a host that is not this machine is refused', async (t) => {
  const first = await served(t);
  const port = Number(new URL(first.url).port);
  const second = await served(t, { port });
  const taken = Number(new URL(second.url).port);
  t.true(taken > port && (await fetch(second.url)).ok);
  await t.throwsAsync(served(t, { host: '192.0.2.1' }), { message: /cannot listen at 192\.0\.2\.1/ });
});

test('a page can be served from a worker thread, which reports errors', async (t) => {
  const folder = emptyFolder(t);
  writeRun(folder, { iterations: [1] });
  const runs = [{ name: 'run', folder }];
  const dashboard = await serveInWorker({ runs, host: '127.0.0.1', port: 0 });
  t.is((await fetch(dashboard.url)).status, 200);
  await dashboard.close();
  await t.throwsAsync(fetch(dashboard.url));
  await t.throwsAsync(serveInWorker({ runs, host: '192.0.2.1', port: 0 }), { message: /cannot listen/ });
});

test('a folder that goes away while it is looked at takes nothing from the page', async (t) => {
  const folder = emptyFolder(t);
  writeRun(folder, { iterations: [1] });
  let gone = false;
  const library = new RunLibrary(() => {
    if (gone) throw new Error('there is no run');
    return [{ name: 'run', folder }];
  });
  await library.refresh();
  gone = true;
  await library.refresh();
  t.is(library.summaries().length, 1);
  const app = dashboardApp({ library, host: 'localhost', token: undefined, closing: new AbortController().signal });
  t.is((await app.request('/api/details?run=run', { headers: { host: 'localhost' } })).status, 200);
});

test('a port other than the requested one is reported', (t) => {
  t.is(portNote(7317, 'http://127.0.0.1:7318/'), 'dashboard: port 7317 is taken, using 7318');
  t.is(portNote(7317, 'http://127.0.0.1:7317/'), undefined);
  t.is(portNote(0, 'http://127.0.0.1:7318/'), undefined);
});
