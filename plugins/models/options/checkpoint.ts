import { existsSync } from 'node:fs';
import path from 'node:path';
import { Option } from 'commander';
import { type OptionsDefinition } from '../../command-line/contract.js';
import { messageOf, UsageError } from '../../../core/errors.js';
import { newestRun, runArgument, withStoredFlags, type StoredFlags } from '../../runs/contract.js';
import type { ExportFormat } from '../weights/export.js';

interface ExportFlags extends StoredFlags {
  to: ExportFormat | 'peft';
  base?: string;
  out: string;
  force?: boolean;
}
const formats: readonly ExportFlags['to'][] = ['hf', 'peft', 'nanogpt-safetensors'];

/** `checkpoint export` */
export const options: OptionsDefinition = (command) => {
  const exporting = command
    .command('export')
    .description('write the model into a new folder, for other programs')
    .addArgument(runArgument());
  withStoredFlags(exporting)
    .addOption(
      new Option(
        '--to <format>',
        'hf: Hugging Face transformers; peft: LoRA alone, as an adapter; nanogpt-safetensors: nanoGPT’s names and layout',
      )
        .choices(formats)
        .default('hf'),
    )
    .requiredOption('-o, --out <folder>', 'folder to write, which must not be there')
    .option('--base <model>', 'with peft: the model that the adapter is for (default: what init names)')
    .option('--force', 'replace the folder')
    .action((run: string | undefined, flags: ExportFlags) =>
      exportTo(run ?? newestRun(process.cwd(), console.error), flags),
    );
  return {};
};

async function exportTo(run: string, { to, base, out, force, ...which }: ExportFlags): Promise<void> {
  if (base !== undefined && to !== 'peft') throw refusal('--base is for --to peft: leave it out');
  const { ADAPTER_FILES, otherThanExport, writeModel, writtenModel } = await import('../weights/export.js');
  const { readStored } = await import('../../checkpoint/contract.js');
  const checkpoint = await readStored(run, process.cwd(), which);
  const folder = path.resolve(out);
  if (existsSync(folder)) {
    if (force !== true) throw refusal(`${out} is there already: name another folder, or replace it with --force`);
    const other = otherThanExport(folder);
    if (other !== undefined)
      throw refusal(
        `${out} holds ${other}, which no export wrote: --force replaces an exported model alone; name another folder with --out`,
      );
  }
  const { writtenAdapter } = await import('../adapters/written.js');
  const cwd = process.cwd();
  const written =
    to === 'peft' ? await writtenAdapter(checkpoint, { base, cwd }) : await writtenModel(checkpoint, to, cwd);
  try {
    await writeModel(written, folder, to === 'peft' ? ADAPTER_FILES : undefined);
  } catch (thrown) {
    if (thrown instanceof UsageError) throw thrown;
    throw refusal(`${out} cannot be written: ${messageOf(thrown)}; name another folder with --out`, thrown);
  }
  for (const note of written.notes) console.error(note);
  console.log(`${checkpoint.path} → ${out} (${to})`);
}

function refusal(message: string, cause?: unknown): UsageError {
  return new UsageError('ESP_CHECKPOINT_EXPORT', message, { cause });
}
