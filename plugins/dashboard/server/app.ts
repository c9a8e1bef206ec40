import { Hono } from 'hono';
import { streamSSE, type SSEStreamingApi } from 'hono/streaming';
import { z } from 'zod';
import { refusal } from './address.js';
import { importMap, pageHtml, pageModules, pageStyle, scriptHash, uplotModule } from './page-files.js';
import type { SeriesQuery } from '../page/protocol.js';
import type { RunLibrary } from './run-library.js';

/** How often to read the files while a page is open. */
const POLL_MS = 1000;
/**
 * Send something at least this often: proxies cut silent connections, and sending shows whether the page is still open.
 */
const SILENCE_MS = 15_000;
const MAX_WIDTH = 4000;
/** Each open page keeps a connection and causes reads. */
const MAX_OPEN_PAGES = 64;

export interface AppParts {
  readonly library: RunLibrary;
  /** Address that the server listens at. */
  readonly host: string;
  /** First part of every path; undefined if only this machine can connect. */
  readonly token: string | undefined;
  /** Aborted when the server should end: open pages then get the last data. */
  readonly closing: AbortSignal;
}

const number = z.coerce.number();
const seriesQuery = z.object({
  runs: z.array(z.string()),
  metric: z.string(),
  axis: z.enum(['iteration', 'tokens', 'time']).default('iteration'),
  from: number.optional(),
  to: number.optional(),
  width: number.int().min(1).max(MAX_WIDTH).default(1000),
  smoothing: number.min(0).max(0.9999).default(0),
}) satisfies z.ZodType<SeriesQuery>;

const map = importMap({ uplot: './page/uplot.js' });
const POLICY = [
  "default-src 'none'",
  `script-src 'self' ${scriptHash(map)}`,
  "style-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Makes the web app: the page and its API. It only reads. */
export function dashboardApp({ library, host, token, closing }: AppParts): Hono {
  // Not strict: accepts paths with or without a trailing slash.
  const app = new Hono({ strict: false });
  app.use(async (context, next) => {
    const asked = { path: context.req.path, host: context.req.header('host') ?? '' };
    const refused = refusal(asked, { host, token });
    if (refused !== undefined) return context.text(refused, 403);
    await next();
    context.header('content-security-policy', POLICY);
    context.header('x-content-type-options', 'nosniff');
    context.header('referrer-policy', 'no-referrer');
    context.header('cross-origin-resource-policy', 'same-origin');
    context.header('cache-control', 'no-store');
  });
  app.route(token === undefined ? '/' : '/:token', pages());
  app.route(token === undefined ? '/api' : '/:token/api', api(library, closing));
  return app;
}

function pages(): Hono {
  const app = new Hono();
  const modules = pageModules().set('uplot', uplotModule());
  const style = pageStyle();
  const head = [
    '<link rel="stylesheet" href="page/style.css">',
    map,
    '<script type="module" src="page/main.js"></script>',
  ].join('\n');
  app.get('/', (context) => {
    const { pathname } = new URL(context.req.url);
    // Relative addresses need the trailing slash. The redirect is relative too, since a proxy may add a prefix.
    return pathname.endsWith('/')
      ? context.html(pageHtml('Espalier', head))
      : context.redirect(`./${pathname.slice(pathname.lastIndexOf('/') + 1)}/`);
  });
  app.get('/page/style.css', (context) => context.body(style, 200, { 'content-type': 'text/css; charset=utf-8' }));
  app.get('/page/:file{.+\\.js}', (context) => {
    const text = modules.get(context.req.param('file').replace(/\.js$/, ''));
    if (text === undefined) return context.notFound();
    return context.body(text, 200, { 'content-type': 'text/javascript; charset=utf-8' });
  });
  return app;
}

function api(library: RunLibrary, closing: AbortSignal): Hono {
  const app = new Hono();
  let openPages = 0;
  app.get('/details', (context) => {
    const reader = library.get(context.req.query('run') ?? '');
    return reader === undefined ? context.notFound() : context.json(reader.details());
  });
  app.get('/series', (context) => {
    const query = seriesQuery.safeParse({ ...context.req.query(), runs: context.req.queries('run') ?? [] });
    if (!query.success) return context.text(z.prettifyError(query.error), 400);
    const answers = query.data.runs.map((run) => library.get(run)?.series(query.data) ?? null);
    return answers.every((answer) => answer === null) ? context.notFound() : context.json(answers);
  });
  app.get('/live', (context) => {
    if (openPages >= MAX_OPEN_PAGES) {
      context.header('retry-after', '60');
      return context.text(`${String(MAX_OPEN_PAGES)} pages are open: close some, then reload this one`, 503);
    }
    // Otherwise nginx holds events back until its buffer is full.
    context.header('x-accel-buffering', 'no');
    // A HEAD request never reads the stream.
    if (context.req.method === 'HEAD') return context.body(null);
    openPages++;
    return streamSSE(context, async (stream) => {
      try {
        await sendRuns(stream, library, closing);
      } finally {
        openPages--;
      }
    });
  });
  return app;
}

/** Sends all runs now, and later those that change, until the page or the server closes. */
async function sendRuns(stream: SSEStreamingApi, library: RunLibrary, closing: AbortSignal): Promise<void> {
  const sent = new Map<string, string>();
  let isFirst = true;
  let silentMs = 0;
  for (;;) {
    const last = closing.aborted;
    await library.refresh();
    const changed: string[] = [];
    for (const run of library.summaries()) {
      const json = JSON.stringify(run);
      if (sent.get(run.name) !== json) changed.push(json);
      sent.set(run.name, json);
    }
    const isQuiet = changed.length === 0 && !isFirst;
    if (!isQuiet) await stream.writeSSE({ event: 'runs', data: `[${changed.join(',')}]` });
    else if (silentMs >= SILENCE_MS) await stream.writeSSE({ event: 'quiet', data: '' });
    silentMs = isQuiet && silentMs < SILENCE_MS ? silentMs + POLL_MS : 0;
    isFirst = false;
    if (last) await stream.writeSSE({ event: 'end', data: '' });
    if (last || stream.aborted) return;
    await pause(POLL_MS, closing);
  }
}

/** Waits; returns at once when the server should end. */
function pause(ms: number, closing: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      closing.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    closing.addEventListener('abort', done);
    if (closing.aborted) done();
  });
}
