import { existsSync, readFileSync, statSync } from 'node:fs';
import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Pair, type YAMLMap } from 'yaml';
import { z } from 'zod';
import { messageOf, UsageError } from '../../../core/index.js';
import { readTextFile, writeWholeSync } from '../../files/contract.js';
import { readYaml, YamlFault } from '../../configs/contract.js';

const triggerSchema = z
  .strictObject({ metric: z.string().min(1), below: z.number().optional(), above: z.number().optional() })
  .refine(({ below, above }) => (below === undefined) !== (above === undefined), 'give one of below and above');

export const entrySchema = z
  .strictObject({
    name: z.string(),
    value: z.unknown(),
    trigger_loss: z.number().optional(),
    trigger: triggerSchema.optional(),
    max_wait_iters: z.number().min(0),
    reevaluate: z.boolean(),
    desc: z.string().optional(),
    completed: z.boolean().default(false),
  })
  .refine((entry) => (entry.trigger === undefined) !== (entry.trigger_loss === undefined), {
    path: ['trigger_loss'],
    message: 'give one of trigger_loss and trigger',
  });
const required = ['name', 'value', 'max_wait_iters', 'reevaluate'];

/** One entry of a schedule, and its line in the file. */
export interface Entry extends z.output<typeof entrySchema> {
  readonly line: number | undefined;
}

/**
 * Reads a schedule, YAML or JSON, by the same rules as configs.
 * @param named where the config names the file, for errors about the file itself
 * @throws UsageError naming file, line and entry
 */
export function readSchedule(file: string, named: string): Entry[] {
  const text = textOf(file, named);
  const contents = operationsIn(text, file);
  return maps(text, file).map(({ line }, index) => {
    const where = `${file}:${String(line)}: operation ${String(index + 1)}`;
    const content = contents[index] ?? {};
    const missing = required.find((key) => !Object.hasOwn(content, key));
    const hasTrigger = Object.hasOwn(content, 'trigger_loss') || Object.hasOwn(content, 'trigger');
    if (missing === undefined && !hasTrigger) {
      throw new UsageError('ESP_SCHEDULE_FILE', `${where} lacks trigger_loss (or trigger)`);
    }
    if (missing !== undefined) throw new UsageError('ESP_SCHEDULE_FILE', `${where} lacks ${missing}`);
    const parsed = entrySchema.safeParse(content);
    if (!parsed.success) {
      throw new UsageError('ESP_SCHEDULE_FILE', `${where} is not valid: ${z.prettifyError(parsed.error)}`);
    }
    return { ...parsed.data, line };
  });
}

const operationsSchema = z.array(z.record(z.string(), z.unknown()));
const listSchema = z.union([operationsSchema, z.looseObject({ operations: operationsSchema })]);

/** Returns the content of each operation; an empty list if the file is not a list of maps, which `maps` reports. */
function operationsIn(text: string, file: string): z.output<typeof operationsSchema> {
  try {
    const { data = [] } = listSchema.safeParse(readYaml(text).value);
    return Array.isArray(data) ? data : data.operations;
  } catch (thrown) {
    if (!(thrown instanceof YamlFault)) throw thrown;
    const line = thrown.line === undefined ? '' : `:${String(thrown.line)}`;
    const message = `${file}${line}: not valid YAML: ${thrown.message}`;
    throw new UsageError('ESP_SCHEDULE_FILE', message, { cause: thrown });
  }
}

function textOf(file: string, named: string): string {
  if (!existsSync(file)) {
    const what = `there is no schedule file ${file}; give one, or write the list under operations`;
    throw new UsageError('ESP_SCHEDULE_FILE', `${named}: ${what}`);
  }
  try {
    if (statSync(file).isDirectory()) throw new Error('it is a folder; give a file in it');
    return readTextFile(file);
  } catch (thrown) {
    throw new UsageError('ESP_SCHEDULE_FILE', `${named}: ${file} cannot be read: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}

/** Writes the completion flags back, atomically. Changes no other character of the file. */
export function writeCompleted(file: string, completed: readonly boolean[]): void {
  const before = readTextFile(file);
  const after = withCompleted(before, completed, file);
  if (after === before) return;
  const mark = readFileSync(file, 'utf8').startsWith('\ufeff') ? '\ufeff' : '';
  writeWholeSync(file, mark + after);
}

/** Returns the text with its completion flags set. A missing flag is added only if it is true. */
export function withCompleted(text: string, completed: readonly boolean[], file = 'schedule'): string {
  const edits = maps(text, file).flatMap(({ map }, index) => editOf(text, map, completed[index] ?? false));
  return edits
    .sort((a, b) => b.from - a.from)
    .reduce((edited, { from, to, by }) => edited.slice(0, from) + by + edited.slice(to), text);
}

interface Edit {
  from: number;
  to: number;
  by: string;
}

function editOf(text: string, map: YAMLMap, completed: boolean): Edit[] {
  const flag = pairOf(map, 'completed');
  if (flag !== undefined) {
    const [from, to] = rangeOf(flag.value);
    return [{ from, to, by: String(completed) }];
  }
  const name = pairOf(map, 'name');
  if (!completed || name === undefined) return [];
  const [keyAt] = rangeOf(name.key);
  const [, end] = rangeOf(name.value);
  const quote = text[keyAt] === '"' ? '"' : '';
  const written = `${quote}completed${quote}: true`;
  if (map.flow === true) return [{ from: end, to: end, by: `, ${written}` }];
  const lineEnd = text.indexOf('\n', end);
  const at = lineEnd === -1 ? text.length : lineEnd;
  const column = keyAt - (text.lastIndexOf('\n', keyAt - 1) + 1);
  return [{ from: at, to: at, by: `\n${' '.repeat(column)}${written}` }];
}

function pairOf(map: YAMLMap, key: string): Pair | undefined {
  return map.items.find((pair) => isScalar(pair.key) && pair.key.value === key);
}

function rangeOf(node: unknown): [number, number] {
  if (!isScalar(node) || node.range === undefined || node.range === null)
    throw new Error('a scalar of the schedule has no position in its text');
  return [node.range[0], node.range[1]];
}

function maps(text: string, file: string): { map: YAMLMap; line: number }[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [error] = document.errors;
  if (error !== undefined) throw new UsageError('ESP_SCHEDULE_FILE', `${file}: ${error.message}`);
  const root: unknown = isMap(document.contents) ? document.contents.get('operations', true) : document.contents;
  if (document.contents === null) {
    throw new UsageError(
      'ESP_SCHEDULE_FILE',
      `${file} is empty; list operations in it, each with ${required.join(', ')} and trigger_loss`,
    );
  }
  if (!isSeq(root)) {
    throw new UsageError('ESP_SCHEDULE_FILE', `${file} must be a list of operations, or have one under \`operations\``);
  }
  return root.items.map((map: unknown, index) => {
    if (isMap(map)) return { map, line: lines.linePos(map.range?.[0] ?? 0).line };
    throw new UsageError(
      'ESP_SCHEDULE_FILE',
      `${file}: operation ${String(index + 1)} must be a map with name and value`,
    );
  });
}
