import { setMaxListeners } from 'node:events';
import { createServer, type Server } from 'node:http';
import { hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { getRequestListener } from '@hono/node-server';
import { messageOf, UsageError } from '../../../core/index.js';
import { dashboardApp } from './app.js';
import { type FoundRun, RunLibrary } from './run-library.js';
import { isLocal, newToken } from './address.js';

/** Ports that are tried after the one that was asked for; then the system gives one. */
const PORTS_TRIED = 20;
/** At the end, open pages ask for what is new: until they have been quiet for so long, at most that long. */
const QUIET_MS = 1000;
const PATIENCE_MS = 5000;

export interface ServeOptions {
  /** The runs of now, in the order that they are shown in. */
  readonly find: () => readonly FoundRun[];
  /** Where to listen; an address that other machines reach makes a token part of the URL. */
  readonly host: string;
  /** The first port to try; 0: any. */
  readonly port: number;
}

export interface Dashboard {
  /** What to open, token included. */
  readonly url: string;
  /** Sends open pages what is new, and ends. */
  close(): Promise<void>;
}

/**
 * Serves the page of some runs.
 * @throws UsageError when nothing can listen at that host
 */
export async function serveDashboard({ find, host, port }: ServeOptions): Promise<Dashboard> {
  const token = isLocal(host) ? undefined : newToken();
  const library = new RunLibrary(find);
  const closing = new AbortController();
  // Each open page listens.
  setMaxListeners(0, closing.signal);
  const app = dashboardApp({ library, host, token, closing: closing.signal });
  const answer = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const server = createServer((request, response) => void answer(request, response));
  const quiet = watchRequests(server);
  const taken = await listen(server, host, port);
  return {
    url: `http://${nameOf(host)}:${String(taken)}/${token === undefined ? '' : `${token}/`}`,
    close: async () => {
      closing.abort();
      await quiet();
      server.close();
      server.closeAllConnections();
    },
  };
}

/** @returns what waits until no request has been open for a moment */
function watchRequests(server: Server): () => Promise<void> {
  let open = 0;
  let lastOpen = -Infinity;
  server.on('request', (_, response) => {
    open++;
    response.on('close', () => {
      open--;
      lastOpen = performance.now();
    });
  });
  return async () => {
    const from = performance.now();
    const now = (): number => performance.now();
    while ((open > 0 || now() - lastOpen < QUIET_MS) && now() - from < PATIENCE_MS) await wait(QUIET_MS / 20);
  };
}

/** Listens at the first port that is free. @returns it */
async function listen(server: Server, host: string, port: number): Promise<number> {
  const ports = port === 0 ? [0] : [...Array.from({ length: PORTS_TRIED }, (_, at) => port + at), 0];
  for (const candidate of ports) {
    if (candidate > 65_535 || !(await listensAt(server, host, candidate))) continue;
    const address = server.address();
    if (typeof address === 'object' && address !== null) return address.port;
  }
  throw new UsageError('ESP_DASHBOARD_LISTEN', `no port is free at ${host}`);
}

function listensAt(server: Server, host: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error & { code?: string }): void => {
      server.off('error', settle);
      server.off('listening', settle);
      // A port below 1024 may be another user's to give.
      if (error === undefined) resolve(true);
      else if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false);
      else {
        const message = `the dashboard cannot listen at ${host}: ${messageOf(error)}; give an address of this machine, or leave host out`;
        reject(new UsageError('ESP_DASHBOARD_LISTEN', message, { cause: error }));
      }
    };
    server.once('error', settle);
    server.once('listening', settle);
    server.listen(port, host);
  });
}

/** A name for a URL; what listens everywhere is reached by this machine's. */
function nameOf(host: string): string {
  if (host === '0.0.0.0' || host === '::') return hostname();
  return host.includes(':') ? `[${host}]` : host;
}
