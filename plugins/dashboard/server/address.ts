import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { BlockList, isIPv6 } from 'node:net';

/** Where the dashboard listens unless it is told otherwise: within reach of this machine alone. */
export const DEFAULT_HOST = '127.0.0.1';
export const DEFAULT_PORT = 7317;
/** What a URL leaves out. */
const HTTP_PORT = 80;

/** Says so where another port was taken than the one that was asked for. */
export function portNote(asked: number, url: string): string | undefined {
  const { port } = new URL(url);
  if (asked === 0 || Number(port || HTTP_PORT) === asked) return undefined;
  return `dashboard: port ${String(asked)} is taken: using ${port}`;
}

/** Names and addresses by which a browser on this machine reaches a server that listens to this machine alone. */
const LOCAL_NAMES = ['localhost', '127.0.0.1', '[::1]'];

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether nobody but this machine reaches a server that listens there. */
export function isLocal(host: string): boolean {
  return host === 'localhost' || loopback.check(host, isIPv6(host) ? 'ipv6' : 'ipv4');
}

/** 192 random bits, for a URL. */
export function newToken(): string {
  return randomBytes(24).toString('base64url');
}

/**
 * Why a request is refused; undefined where it is let in. With a token, the path has to begin with it. Without
 * one, the server is for this machine alone, and the request has to name it: a page elsewhere whose name was
 * made to point here (DNS rebinding) sends its own name.
 */
export function refusal(
  request: { readonly path: string; readonly host: string },
  server: { readonly host: string; readonly token: string | undefined },
): string | undefined {
  if (server.token !== undefined) {
    const given = request.path.split('/')[1] ?? '';
    return sameText(given, server.token)
      ? undefined
      : 'The token is missing or wrong: open the whole URL that was printed, token included.';
  }
  const name = request.host.replace(/:\d*$/, '').toLowerCase();
  return [...LOCAL_NAMES, server.host].includes(name)
    ? undefined
    : 'This page is for this machine alone: open it as http://127.0.0.1 or http://localhost, or serve it with --host and a token.';
}

/** In a time that does not hang on where they differ. */
function sameText(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
