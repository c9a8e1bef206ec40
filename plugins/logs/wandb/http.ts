import { setTimeout as sleep } from 'node:timers/promises';

const REQUEST_TIMEOUT_MS = 30_000;
const TOO_MANY = 429;
const REQUEST_TIMEOUT = 408;
const SERVER_ERROR = 500;

export interface Retry {
  /** Seconds before the first retry; doubled after each, up to `most`. */
  readonly first: number;
  readonly most: number;
  /** Seconds without an answer after which to give up. */
  readonly give_up_after: number;
}

export interface Connection {
  readonly baseUrl: string;
  readonly apiKey: string;
  /** The `User-Agent` header. */
  readonly agent: string;
  readonly retry: Retry;
}

export type Say = (level: 'info' | 'warn', line: string) => void;

/** Thrown when the server no longer answers, or refuses a request: retrying is useless. */
export class ServerGone extends Error {}

/** Sends requests to a W&B server. Each is retried with growing waits until it is answered or given up. */
export class Client {
  #away = false;
  readonly #hurry = new AbortController();

  constructor(
    private readonly connection: Connection,
    private readonly say: Say,
  ) {}

  /** Call it when the run ends: cuts the current wait short, and keeps later waits at the shortest. */
  hurry(): void {
    this.#hurry.abort();
  }

  /** Sends a GraphQL request. @returns `data` of the answer @throws ServerGone */
  async graphql(query: string, variables: Readonly<Record<string, unknown>>): Promise<unknown> {
    const answer = await this.post('/graphql', { query, variables });
    const errors = answer['errors'];
    if (Array.isArray(errors) && errors.length > 0) throw new ServerGone(`it refused: ${JSON.stringify(errors[0])}`);
    return answer['data'];
  }

  /** Sends JSON. @returns the JSON answer; `{}` if it is not an object @throws ServerGone */
  async post(path: string, body: unknown): Promise<Record<string, unknown>> {
    const headers = { 'Content-Type': 'application/json' };
    const response = await this.#send(this.#url(path), { method: 'POST', headers, body: JSON.stringify(body) });
    const answer: unknown = await response.json().catch(() => undefined);
    return typeof answer === 'object' && answer !== null ? { ...answer } : {};
  }

  /** Uploads a file. @param headers `name:value`, as the server returned them with the address @throws ServerGone */
  async put(url: string, headers: readonly string[], body: Uint8Array<ArrayBuffer>): Promise<void> {
    const given = headers.map((line): [string, string] => {
      const at = line.indexOf(':');
      return [line.slice(0, at), line.slice(at + 1)];
    });
    await this.#send(this.#url(url), { method: 'PUT', headers: Object.fromEntries(given), body });
  }

  #url(path: string): string {
    return new URL(path, `${this.connection.baseUrl}/`).href;
  }

  async #send(url: string, init: RequestInit): Promise<Response> {
    const { first, most, give_up_after: limit } = this.connection.retry;
    const from = performance.now();
    for (let wait = first; ; wait = Math.min(2 * wait, most)) {
      const answer = await this.#attempt(url, init);
      if (answer instanceof Response) {
        if (this.#away) this.say('info', 'wandb: the server answers again');
        this.#away = false;
        return answer;
      }
      const waited = (performance.now() - from) / 1000;
      if (waited >= limit) throw new ServerGone(`no answer for ${waited.toFixed(1)} s (${answer})`);
      if (!this.#away)
        this.say('warn', `wandb: the server does not answer (${answer}); trying again, the run continues`);
      this.#away = true;
      await this.#wait(wait);
    }
  }

  /** Makes one attempt. @returns the answer, or what went wrong if a retry may succeed @throws ServerGone */
  async #attempt(url: string, init: RequestInit): Promise<Response | string> {
    const { apiKey, agent, baseUrl } = this.connection;
    const headers = new Headers(init.headers);
    headers.set('User-Agent', agent);
    // Addresses on other hosts are presigned, and refuse requests with a key.
    if (url.startsWith(`${baseUrl}/`)) {
      headers.set('Authorization', `Basic ${Buffer.from(`api:${apiKey}`).toString('base64')}`);
    }
    try {
      const response = await fetch(url, { ...init, headers, signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
      if (response.ok) return response;
      const text = `HTTP ${response.status}: ${(await response.text()).slice(0, 200)}`;
      const { status } = response;
      if (status === TOO_MANY || status === REQUEST_TIMEOUT || status >= SERVER_ERROR) return text;
      throw new ServerGone(status === 401 || status === 403 ? `the API key was rejected (${text})` : text);
    } catch (thrown) {
      if (thrown instanceof ServerGone) throw thrown;
      return whyNot(thrown);
    }
  }

  async #wait(seconds: number): Promise<void> {
    const { signal } = this.#hurry;
    if (signal.aborted) await sleep(1000 * Math.min(seconds, this.connection.retry.first));
    else await sleep(1000 * seconds, undefined, { signal }).catch(() => undefined);
  }
}

/** Returns the reason for `fetch failed`. If several addresses have failed, the error has a code but no message. */
function whyNot(thrown: unknown): string {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown;
  if (!(cause instanceof Error)) return String(cause);
  const code: unknown = Reflect.get(cause, 'code');
  return cause.message === '' && typeof code === 'string' ? code : cause.message;
}
