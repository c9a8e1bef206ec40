// `node .docs/terminal.mjs OUT.svg ARGS…`: runs `espalier ARGS` in an empty folder and draws what it printed.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const FIRST = 20;
const LAST = 12;
const COLUMNS = 110;
const [ADVANCE, LINE, MARGIN, BAR] = [7.8, 18, 16, 30];

const [file = 'terminal.svg', ...args] = process.argv.slice(2);
const program = path.join(import.meta.dirname, '../dist/plugins/command-line/shell/main.js');
const folder = mkdtempSync(path.join(tmpdir(), 'espalier-'));
try {
  const command = `${JSON.stringify(process.execPath)} ${JSON.stringify(program)} ${args.join(' ')} 2>&1`;
  const { stdout, status } = spawnSync(command, {
    cwd: folder,
    shell: true,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', npm_command: 'exec' },
  });
  if (status !== 0) throw new Error(stdout);
  const lines = shortened(stdout.trimEnd().split('\n')).flatMap(wrapped);
  writeFileSync(file, drawn([`$ npx espalier ${args.join(' ')}`, ...lines]));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function shortened(lines) {
  return lines.length <= FIRST + LAST ? lines : [...lines.slice(0, FIRST), '…', ...lines.slice(-LAST)];
}

/** A line as a terminal wraps it. */
function wrapped(line) {
  const rows = Math.max(1, Math.ceil(line.length / COLUMNS));
  return Array.from({ length: rows }, (_, row) => line.slice(row * COLUMNS, (row + 1) * COLUMNS));
}

function drawn(lines) {
  const height = BAR + lines.length * LINE + MARGIN;
  const width = Math.round(COLUMNS * ADVANCE) + 2 * MARGIN;
  const texts = lines.map((line, index) => {
    const fill = index === 0 ? '#7ee787' : '#e6edf3';
    return `  <text x="${MARGIN}" y="${BAR + (index + 1) * LINE - 4}" fill="${fill}" xml:space="preserve">${escaped(line)}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="13" role="img" aria-label="a terminal: ${escaped(lines[0])}">`,
    `  <rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>`,
    ...['#ff5f57', '#febc2e', '#28c840'].map(
      (fill, index) => `  <circle cx="${MARGIN + 4 + index * 18}" cy="16" r="5.5" fill="${fill}"/>`,
    ),
    ...texts,
    '</svg>',
    '',
  ].join('\n');
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
