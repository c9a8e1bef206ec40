import { existsSync, statSync } from 'node:fs';
import { cancel, isCancel, select, text } from '@clack/prompts';
import { UsageError } from '../../../core/errors.js';
import type { Preset } from '../../configs/contract.js';
import type { Choices } from './files.js';

/** The choices given on the command line. */
export interface Given {
  readonly preset?: string | undefined;
  readonly text?: string | undefined;
  readonly data?: string | undefined;
}

export const DEFAULT_PRESET = 'char-small';

/** Fills in defaults for what was not given. @throws UsageError for a file, folder or preset that does not exist */
export function withDefaults(
  { preset = DEFAULT_PRESET, text, data }: Given,
  presets: readonly Preset[],
): Pick<Choices, 'preset' | 'data'> {
  if (text !== undefined && data !== undefined) throw new UsageError('ESP_USAGE', 'give one of --text and --data');
  if (text !== undefined) refuseMissing('--text', text, false);
  if (data !== undefined) refuseMissing('--data', data, true);
  if (!presets.some(({ name }) => name === preset)) {
    const names = presets.map(({ name }) => name).join(', ');
    throw new UsageError('ESP_PRESET_NOT_FOUND', `--preset ${preset}: there is no such preset; there are ${names}`);
  }
  return { preset, data: text !== undefined ? { text } : data !== undefined ? { dir: data } : undefined };
}

/** Asks for what was not given. @returns undefined if the user cancels */
export async function ask(given: Given, presets: readonly Preset[]): Promise<Given | undefined> {
  const answers = await answersTo(given, presets);
  if (answers === undefined) cancel('Nothing was written.');
  return answers;
}

async function answersTo(given: Given, presets: readonly Preset[]): Promise<Given | undefined> {
  const answers: { preset?: string | undefined; text?: string | undefined; data?: string | undefined } = { ...given };
  if (given.text === undefined && given.data === undefined) {
    const kind = await select({
      message: 'What do you want to train on?',
      options: [
        { value: 'text', label: 'a text file' },
        { value: 'data', label: 'a folder written by espalier prepare' },
        { value: 'preset', label: 'the data of the preset' },
      ] as const,
    });
    if (isCancel(kind)) return undefined;
    if (kind !== 'preset') {
      const file = await text({ message: kind === 'text' ? 'Which file?' : 'Which folder?', validate: missing });
      if (isCancel(file)) return undefined;
      answers[kind] = file;
    }
  }
  if (given.preset === undefined) {
    const preset = await select({
      message: 'Which preset do you want to start from?',
      initialValue: DEFAULT_PRESET,
      options: presets.map(({ name, summary }) => ({ value: name, label: name, hint: summary })),
    });
    if (isCancel(preset)) return undefined;
    answers.preset = preset;
  }
  return answers;
}

function missing(file: string | undefined): string | undefined {
  return file !== undefined && file !== '' && existsSync(file) ? undefined : 'It does not exist.';
}

function refuseMissing(option: string, file: string, isFolder: boolean): void {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats?.isDirectory() === isFolder) return;
  throw new UsageError('ESP_USAGE', `${option} ${file}: there is no such ${isFolder ? 'folder' : 'file'}`);
}
