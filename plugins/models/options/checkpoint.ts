import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { Option } from 'commander';
import { type OptionsDefinition } from '../../command-line/contract.js';
import { messageOf, UsageError } from '../../../core/errors.js';
import { newestRun, runArgument, withStoredFlags, type StoredFlags } from '../../runs/contract.js';
import type { GgufDtype } from '../gguf/container.js';
import type { ExportFormat } from '../weights/export.js';

type Format = ExportFormat | 'peft';
interface ExportFlags extends StoredFlags {
  to: Format;
  base?: string;
  dtype?: GgufDtype;
  out: string;
  force?: boolean;
}
const formats: readonly Format[] = ['hf', 'peft', 'gguf', 'nanogpt-safetensors'];
const dtypes: readonly GgufDtype[] = ['f16', 'f32'];

/** Adds `checkpoint export`. */
export const options: OptionsDefinition = (command) => {
  const exporting = command
    .command('export')
    .description('write the model for other programs: into a new folder, or a GGUF file')
    .addArgument(runArgument());
  withStoredFlags(exporting)
    .addOption(
      new Option(
        '--to <format>',
        'hf: Hugging Face transformers; peft: LoRA alone, as an adapter; gguf: llama.cpp; nanogpt-safetensors: nanoGPT’s names and layout',
      )
        .choices(formats)
        .default('hf'),
    )
    .requiredOption('-o, --out <path>', 'folder to write, or file with gguf; must not exist')
    .option('--base <model>', 'with peft: base model of the adapter (default: the one init names)')
    .addOption(new Option('--dtype <dtype>', 'with gguf: number format of matrices (default: f16)').choices(dtypes))
    .option('--force', 'replace the folder or file')
    .action((run: string | undefined, flags: ExportFlags) =>
      exportTo(run ?? newestRun(process.cwd(), console.error), flags),
    );
  return {};
};

async function exportTo(run: string, { to, base, dtype, out, force, ...which }: ExportFlags): Promise<void> {
  if (base !== undefined && to !== 'peft') throw refusal('--base is for --to peft: leave it out');
  if (dtype !== undefined && to !== 'gguf') throw refusal('--dtype is for --to gguf: leave it out');
  const { ADAPTER_FILES, writeModel, writtenModel } = await import('../weights/export.js');
  const { readStored } = await import('../../checkpoint/contract.js');
  const checkpoint = await readStored(run, process.cwd(), which);
  await refuseThere(out, to, force === true);
  const { writtenAdapter } = await import('../adapters/written.js');
  const { writeGgufModel } = await import('../gguf/export.js');
  const cwd = process.cwd();
  const target = path.resolve(out);
  const written =
    to === 'peft' ? await writtenAdapter(checkpoint, { base, cwd }) : await writtenModel(checkpoint, to, cwd);
  const { tokenizerFiles } = await import('../weights/tokenizer-files.js');
  const tokenizer = to === 'hf' ? await tokenizerFiles(checkpoint) : { texts: new Map(), notes: [] };
  try {
    if (to === 'gguf') await writeGgufModel(checkpoint, written, target, dtype ?? 'f16');
    else await writeModel(written, target, to === 'peft' ? ADAPTER_FILES : undefined, tokenizer.texts);
  } catch (thrown) {
    if (thrown instanceof UsageError) throw thrown;
    throw refusal(`${out} cannot be written: ${messageOf(thrown)}; choose another ${kindOf(to)} with --out`, thrown);
  }
  for (const note of [...written.notes, ...tokenizer.notes]) console.error(note);
  console.log(`${checkpoint.path} → ${out} (${to})`);
}

/** @throws UsageError if the target exists, unless it may be replaced and is an earlier export */
async function refuseThere(out: string, to: Format, force: boolean): Promise<void> {
  const target = path.resolve(out);
  if (!existsSync(target)) return;
  if (to === 'gguf' && statSync(target).isDirectory())
    throw refusal(`${out} is a folder, but GGUF is one file: give a file, --out ${path.join(out, 'model.gguf')}`);
  if (!force) throw refusal(`${out} already exists: choose another ${kindOf(to)}, or replace it with --force`);
  if (to === 'gguf') return;
  const { otherThanExport } = await import('../weights/export.js');
  const other = otherThanExport(target);
  if (other !== undefined)
    throw refusal(
      `${out} contains ${other}, which no export wrote: --force replaces only an exported model; choose another folder with --out`,
    );
}

function kindOf(to: Format): string {
  return to === 'gguf' ? 'file' : 'folder';
}

function refusal(message: string, cause?: unknown): UsageError {
  return new UsageError('ESP_CHECKPOINT_EXPORT', message, { cause });
}
