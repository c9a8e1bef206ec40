import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';

/** Version of this package. */
export const version = packageVersion();

function packageVersion(): string {
  // One folder up from the sources, two from what is compiled.
  const file = [new URL('../package.json', import.meta.url), new URL('../../package.json', import.meta.url)].find(
    (url) => existsSync(url),
  );
  const parsed: unknown = file === undefined ? {} : JSON.parse(readFileSync(file, 'utf8'));
  return z.object({ version: z.string() }).parse(parsed).version;
}
