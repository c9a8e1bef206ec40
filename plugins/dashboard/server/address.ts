import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { BlockList, isIPv6 } from 'node:net';

/** Default address: only this machine can reach it. */
export const DEFAULT_HOST = '127.0.0.1';
export const DEFAULT_PORT = 7317;
/** The port that URLs omit. */
const HTTP_PORT = 80;

/** Returns a note if the server uses another port than was asked for. */
export function portNote(asked: number, url: string): string | undefined {
  const { port } = new URL(url);
  if (asked === 0 || Number(port || HTTP_PORT) === asked) return undefined;
  return `dashboard: port ${String(asked)} is taken, using ${port}`;
}

/** Names and addresses that a browser on this machine uses for a local server. */
const LOCAL_NAMES = ['localhost', '127.0.0.1', '[::1]'];

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Returns whether only this machine can reach a server that listens at this address. */
export function isLocal(host: string): boolean {
  return host === 'localhost' || loopback.check(host, isIPv6(host) ? 'ipv6' : 'ipv4');
}

/** Returns 192 random bits, in a form for URLs. */
export function newToken(): string {
  return randomBytes(24).toString('base64url');
}

/**
 * Returns why a request is refused; undefined if it is allowed. If there is a token, the path must begin with it.
 * Otherwise only this machine may connect, and the request's host must be a local name: this stops other sites that
 * make their name point here (DNS rebinding).
 */
export function refusal(
  request: { readonly path: string; readonly host: string },
  server: { readonly host: string; readonly token: string | undefined },
): string | undefined {
  if (server.token !== undefined) {
    const given = request.path.split('/')[1] ?? '';
    return sameText(given, server.token)
      ? undefined
      : 'The token is missing or wrong: open the URL exactly as printed, including the token.';
  }
  const name = request.host.replace(/:\d*$/, '').toLowerCase();
  return [...LOCAL_NAMES, server.host].includes(name)
    ? undefined
    : 'This page is only for this machine: open it as http://127.0.0.1 or http://localhost, or start it with --host to get a URL with a token.';
}

/** Compares in constant time. */
function sameText(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
