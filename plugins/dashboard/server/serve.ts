import { setMaxListeners } from 'node:events';
import { createServer, type Server } from 'node:http';
import { hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { getRequestListener } from '@hono/node-server';
import { messageOf, UsageError } from '../../../core/index.js';
import { dashboardApp } from './app.js';
import { isLocal, newToken } from './address.js';
import type { FoundRun } from './find-runs.js';
import { RunLibrary } from './run-library.js';

/** Number of ports to try from the one asked for; after them the system chooses one. */
const PORTS_TRIED = 20;
/** At the end, wait until open pages have made no request for this long, so that they get the last data. */
const QUIET_MS = 1000;
/** Longest wait for open pages at the end. */
const PATIENCE_MS = 5000;

export interface ServeOptions {
  /** Returns the current runs, in the order in which they are shown. */
  readonly find: () => readonly FoundRun[];
  /** Address to listen at; if other machines can reach it, the URL contains a token. */
  readonly host: string;
  /** The first port to try; 0: any. */
  readonly port: number;
}

export interface Dashboard {
  /** URL to open, including the token. */
  readonly url: string;
  /** Sends the last data to open pages, then stops the server. */
  close(): Promise<void>;
}

/**
 * Serves the dashboard.
 * @throws UsageError when it cannot listen at that host
 */
export async function serveDashboard({ find, host, port }: ServeOptions): Promise<Dashboard> {
  const token = isLocal(host) ? undefined : newToken();
  const library = new RunLibrary(find);
  const closing = new AbortController();
  // Each open page adds a listener.
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

/** Counts open requests. @returns a function that waits until none has been open for `QUIET_MS` */
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

/** Listens at the first free port. @returns the port */
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
    const finish = (error?: Error & { code?: string }): void => {
      server.off('error', finish);
      server.off('listening', finish);
      // EACCES: ports below 1024 may need privileges. Try the next one.
      if (error === undefined) resolve(true);
      else if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false);
      else {
        const message = `the dashboard cannot listen at ${host}: ${messageOf(error)}; give an address of this machine, or leave host out`;
        reject(new UsageError('ESP_DASHBOARD_LISTEN', message, { cause: error }));
      }
    };
    server.once('error', finish);
    server.once('listening', finish);
    server.listen(port, host);
  });
}

/** Returns the host for a URL; for a server that listens at all addresses, this machine's name. */
function nameOf(host: string): string {
  if (host === '0.0.0.0' || host === '::') return hostname();
  return host.includes(':') ? `[${host}]` : host;
}
