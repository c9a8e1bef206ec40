import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { buffer } from 'node:stream/consumers';
import type { ExecutionContext } from 'ava';

/** What the server holds of a run. */
export interface HeldRun {
  /** Name, tags and so on, as they were last given. */
  facts: Record<string, unknown>;
  config: Record<string, { value: unknown }>;
  /** By line number, as sent; a line that is sent again replaces the one before. */
  history: Record<string, unknown>[];
  /** Requests that brought history; `GET /batches` tells how many there were of all runs. */
  batches: number;
  events: Record<string, unknown>[];
  output: string[];
  summary: Record<string, unknown>;
  files: Map<string, string>;
  complete: boolean;
  exitCode: number | undefined;
}

/** The body of a `file_stream` request. */
interface Streamed {
  files?: Record<string, { offset: number; content: string[] }>;
  complete?: boolean;
  exitcode?: number;
}

/**
 * A W&B server's calls, on this machine: it records what arrives, and fails on request. As W&B documents it, a run
 * that is sent again under its id, and does not ask to resume, replaces what was stored, line by line.
 */
export class StandIn {
  readonly runs = new Map<string, HeldRun>();
  readonly queries: string[] = [];
  readonly authorizations = new Set<string>();
  /** How many of the next requests fail, and with which status. */
  failing = { requests: 0, status: 503 };
  /** True: every connection is broken off. */
  away = false;
  #requests = 0;

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  /** Listens on a free port, until the test ends. */
  static async start(t: Pick<ExecutionContext, 'teardown'>): Promise<StandIn> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const standIn = new StandIn(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      void standIn.#answer(request, response);
    });
    t.teardown(() => standIn.#stop());
    return standIn;
  }

  get requests(): number {
    return this.#requests;
  }

  async #stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** The only run there is. */
  get run(): HeldRun {
    const [run] = this.runs.values();
    if (run === undefined || this.runs.size > 1) throw new Error(`${this.runs.size} runs arrived`);
    return run;
  }

  /** What clients of this server need in their environment. */
  get environment(): Record<string, string> {
    return { WANDB_BASE_URL: this.url, WANDB_API_KEY: 'a'.repeat(40) };
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.away) {
      request.socket.destroy();
      return;
    }
    if (request.url === '/batches') {
      response.end(String([...this.runs.values()].reduce((sum, { batches }) => sum + batches, 0)));
      return;
    }
    this.#requests++;
    const raw = await buffer(request);
    const body = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw).toString();
    if (this.failing.requests > 0) {
      this.failing.requests--;
      response.writeHead(this.failing.status).end('told to fail');
      return;
    }
    this.authorizations.add(request.headers.authorization ?? '');
    const url = request.url ?? '';
    const json = (value: unknown): void => {
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
    };
    const [, stored, id, file] = /^\/(storage)\/([^/]+)\/(.*)$/.exec(url) ?? [];
    const streamed = /^\/files\/me\/([^/]+)\/([^/]+)\/file_stream$/.exec(url);
    if (stored !== undefined) {
      this.#of(id!).files.set(decodeURIComponent(file!), body);
      json({});
    } else if (streamed !== null) {
      this.#stream(this.#of(streamed[2]!), JSON.parse(body) as Streamed);
      json({ exitcode: null, limits: {} });
    } else if (url === '/graphql') {
      const { query, variables } = JSON.parse(body) as { query: string; variables: Record<string, unknown> };
      json({ data: this.#query(query, variables) });
    } else {
      response.writeHead(404).end();
    }
  }

  #of(id: string): HeldRun {
    let run = this.runs.get(id);
    if (run === undefined) {
      run = {
        facts: {},
        config: {},
        history: [],
        batches: 0,
        events: [],
        output: [],
        summary: {},
        files: new Map(),
        complete: false,
        exitCode: undefined,
      };
      this.runs.set(id, run);
    }
    return run;
  }

  #stream(run: HeldRun, body: Streamed): void {
    for (const [name, { offset, content }] of Object.entries(body.files ?? {})) {
      const put = <T>(lines: T[], read: (line: string) => T): void => {
        content.forEach((line, i) => (lines[offset + i] = read(line)));
      };
      const parsed = (line: string): Record<string, unknown> => JSON.parse(line) as Record<string, unknown>;
      if (name === 'wandb-history.jsonl') {
        put(run.history, parsed);
        run.batches++;
      }
      if (name === 'wandb-events.jsonl') put(run.events, parsed);
      if (name === 'output.log') put(run.output, (line) => line);
      if (name === 'wandb-summary.json') run.summary = parsed(content.at(-1)!);
    }
    if (body.complete !== true) return;
    run.complete = true;
    run.exitCode = body.exitcode;
  }

  #query(query: string, variables: Record<string, unknown>): unknown {
    const name = /(?:query|mutation) (\w+)/.exec(query)?.[1] ?? '';
    this.queries.push(name);
    if (name === 'Viewer')
      return { viewer: { id: '1', entity: 'me', username: 'me', flags: '{}', teams: { edges: [] } } };
    if (name === 'RunResumeStatus') return { model: { bucket: this.#held(String(variables['name'])) } };
    if (name === 'UpsertBucket') return this.#upsert(variables);
    if (name === 'RewindRun') return this.#rewind(variables);
    if (name === 'CreateRunFiles') {
      const run = String(variables['run']);
      const files = (variables['files'] as string[]).map((file) => ({
        name: file,
        uploadUrl: `${this.url}/storage/${run}/${encodeURIComponent(file)}`,
      }));
      return { createRunFiles: { runID: run, uploadHeaders: [], files } };
    }
    return {};
  }

  #held(id: string): Record<string, unknown> | null {
    const run = this.runs.get(id);
    if (run === undefined) return null;
    return {
      id,
      name: id,
      historyLineCount: run.history.length,
      eventsLineCount: run.events.length,
      logLineCount: run.output.length,
      config: JSON.stringify(run.config),
      wandbConfig: JSON.stringify({ t: {} }),
    };
  }

  #upsert(variables: Record<string, unknown>): unknown {
    const id = String(variables['name']);
    const run = this.#of(id);
    Object.assign(run.facts, Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== null)));
    if (typeof variables['config'] === 'string') run.config = JSON.parse(variables['config']);
    const project = { id: 'p', name: variables['project'] ?? 'uncategorized', entity: { id: 'e', name: 'me' } };
    const bucket = {
      id,
      name: id,
      historyLineCount: null,
      displayName: variables['displayName'] ?? id,
      project,
      sweepName: null,
    };
    return { upsertBucket: { bucket, inserted: true } };
  }

  #rewind({ runName, metricValue }: Record<string, unknown>): unknown {
    const run = this.#of(String(runName));
    run.history = run.history.filter((row) => Number(row['_step']) <= Number(metricValue));
    const project = { id: 'p', name: 'espalier', entity: { id: 'e', name: 'me' } };
    const { id, name, historyLineCount, config } = this.#held(String(runName)) ?? {};
    return { rewindRun: { rewoundRun: { id, name, displayName: null, historyLineCount, config, project } } };
  }
}
