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
