import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { emptyFolder } from './command.js';
import { espalier } from './warm.js';

interface BadInput {
  what: string;
  args: string[];
  files?: Record<string, string | Uint8Array>;
  message: RegExp;
}

const anyEngine = ['--set', 'engine=auto'];
const debug = ['train', '--preset', 'debug', ...anyEngine];
const plugin = (name: string, rest: string, body = ''): string =>
  `import { Plugin, BatchSource } from 'espalier';\n@Plugin({ name: '${name}', summary: 'test'${rest} })\nexport default class { ${body} }\n`;

const cases: BadInput[] = [
  { what: 'an unknown preset', args: ['train', '--preset', 'char-smal'], message: /char-smal.*char-small/s },
  { what: 'an unknown key', args: [...debug, '--set', 'model.n_heads=2'], message: /n_heads.*n_head/s },
  {
    what: 'a key without what it stands in',
    args: [...debug, '--set', 'max_iters=2'],
    message: /--set: unknown key "max_iters": did you mean "train\.max_iters"\?/,
  },
  {
    what: 'a plugin’s option without `plugins`',
    args: [...debug, '--set', 'evaluation.interval=2'],
    message: /--set: unknown key "evaluation": did you mean "plugins\.evaluation"\?/,
  },
  { what: 'an unknown top-level key', args: [...debug, '--set', 'modle.n_head=2'], message: /modle.*model/s },
  {
    what: 'a wrong type',
    args: ['train'],
    files: { 'espalier.config.yaml': 'extends: debug\nmodel:\n  n_head: two\n' },
    message: /espalier\.config\.yaml:3.*model\.n_head/s,
  },
  {
    what: 'a syntax error',
    args: debug,
    files: { 'espalier.config.yaml': 'model: {\n' },
    message: /espalier\.config\.yaml/,
  },
  {
    what: 'a missing text file',
    args: [...debug, '--set', 'data.text=absent.txt'],
    message: /data\.text absent\.txt: there is no file .*\[ESP_DATA_TEXT\]/,
  },
  {
    what: 'a data folder that is not there',
    args: ['train', ...anyEngine],
    files: { 'espalier.config.yaml': 'extends: debug\ndata:\n  dir: absent\n' },
    message: /espalier\.config\.yaml:3: data\.dir absent: there is no folder .*prepare.*\[ESP_DATA_DIR\]/,
  },
  {
    what: 'a data folder that is a file',
    args: [...debug, '--set', 'data={dir: book.txt}'],
    files: { 'book.txt': 'hello' },
    message: /--set: data\.dir book\.txt: .*book\.txt is a file; .*data\.text/,
  },
  {
    what: 'a text and a folder',
    args: ['train', ...anyEngine],
    files: { 'espalier.config.yaml': 'extends: debug\ndata:\n  text: book.txt\n  dir: data\n' },
    message: /data\.text at espalier\.config\.yaml:3 and data\.dir at espalier\.config\.yaml:4 are both set/,
  },
  {
    what: 'a schedule that is not there',
    args: ['train', ...anyEngine],
    files: { 'espalier.config.yaml': 'extends: debug\nplugins:\n  scaling-schedule: { file: absent.yaml }\n' },
    message:
      /espalier\.config\.yaml:3: key plugins\.scaling-schedule\.file: there is no schedule file .*absent\.yaml; /,
  },
  {
    what: 'a schedule to check that is not there',
    args: ['schedule', 'check', 'absent.yaml', ...debug.slice(1)],
    message: /there is no file absent\.yaml; give a schedule/,
  },
  {
    what: 'a vocabulary mapping that is not there',
    args: ['train', ...anyEngine],
    files: { 'espalier.config.yaml': 'extends: debug\nplugins:\n  vocab-remap: { file: absent.json }\n' },
    message: /espalier\.config\.yaml:3: key plugins\.vocab-remap\.file: .*there is no file .*absent\.json; make it/,
  },
  {
    what: 'an empty text file',
    args: [...debug, '--set', 'data.text=empty.txt'],
    files: { 'empty.txt': '' },
    message: /empty\.txt.*empty/s,
  },
  {
    what: 'a text shorter than a block',
    args: [...debug, '--set', 'data.text=short.txt'],
    files: { 'short.txt': 'hello world' },
    message: /train data has 9 tokens: a block of 32 needs at least 33; give more text or a smaller model\.block_size/,
  },
  {
    what: 'a .bin of odd length',
    args: [...debug, '--set', 'data={dir: odd}'],
    files: { 'odd/train.bin': new Uint8Array(1001), 'odd/val.bin': new Uint8Array(1000) },
    message: /train\.bin.*1001/s,
  },
  {
    what: 'a token id over the vocabulary',
    args: [...debug, '--set', 'data={dir: over}'],
    files: {
      'over/train.bin': new Uint8Array(2000).fill(1),
      'over/val.bin': new Uint8Array(2000),
      'over/meta.json': '{"vocab_size": 65}',
    },
    message: /257.*65|65.*257/s,
  },
  {
    what: 'heads that do not divide the width',
    args: [...debug, '--set', 'model.n_head=5'],
    message: /n_head.*n_embd|n_embd.*n_head/s,
  },
  {
    what: 'a plugin that throws while it loads',
    args: [...debug, '--set', 'plugins."./boom.ts"=true'],
    files: { 'boom.ts': 'throw new Error("no fuse");\n' },
    message: /boom\.ts.*no fuse/s,
  },
  {
    what: 'two plugins that bind one contract',
    args: [...debug, '--set', 'plugins."./second.ts"=true'],
    files: { 'second.ts': plugin('second', '', 'static register(b: any) { b.bind(BatchSource, this as any); }') },
    message: /batches-random and second both bind BatchSource/,
  },
  {
    what: 'an ordering cycle',
    args: [...debug, '--set', 'plugins."./a.ts"=true', '--set', 'plugins."./b.ts"=true'],
    files: { 'a.ts': plugin('a', ", after: ['b']"), 'b.ts': plugin('b', ", after: ['a']") },
    message: /a after b after a|b after a after b/,
  },
  { what: 'an unknown engine', args: [...debug, '--set', 'engine=wasn'], message: /wasn.*wasm/s },
  {
    what: 'an unknown plugin',
    args: [...debug, '--set', 'plugins.evalution=true'],
    message: /--set: key plugins\.evalution: unknown.*"evaluation"/,
  },
  {
    what: 'a plugin’s file without ./',
    args: [...debug, '--set', 'optimizer=mine/sgd.ts'],
    files: { 'mine/sgd.ts': '' },
    message: /key optimizer\.use: unknown optimizer "mine\/sgd\.ts": .* starts with \.\/; write \.\/mine\/sgd\.ts/,
  },
  {
    what: 'a plugin that is like no other',
    args: [...debug, '--set', 'optimizer=shampoo'],
    message: /key optimizer\.use: unknown optimizer "shampoo": built-in ones are adamw, lion, muon, sgd/,
  },
  { what: 'no data', args: ['train', ...anyEngine], message: /no training data: set data\.text/ },
  {
    what: 'a preset without --preset',
    args: ['train', 'debug'],
    message: /too many arguments.*--preset names a preset, --config a config file/s,
  },
  {
    what: 'a folder for a config file',
    args: ['train', '--config', 'mine'],
    files: { 'mine/espalier.config.yaml': '' },
    message: /--config mine: .*mine is a folder; give a file in it/,
  },
  {
    what: 'a folder for a preset',
    args: ['train', '--preset', './mine'],
    files: { 'mine/espalier.config.yaml': '' },
    message: /--preset \.\/mine: .*mine is a folder; give a file in it/,
  },
  {
    what: 'a text where a plugin is named',
    args: [...debug, '--set', 'data=book.txt'],
    files: { 'book.txt': 'hello' },
    message: /key data\.use: unknown data plugin "book\.txt".*a text is named by data\.text/,
  },
  {
    what: 'a setting without a value',
    args: [...debug, '--set', 'train.max_iters='],
    message: /key train\.max_iters: it is empty; expected number \[/,
  },
  {
    what: 'an empty schedule',
    args: [...debug, '--set', 'plugins.scaling-schedule.file=empty.yaml'],
    files: { 'empty.yaml': '' },
    message: /empty\.yaml is empty; list operations in it, each with name, value/,
  },
  {
    what: 'a nanoGPT config that is not there',
    args: ['migrate', 'absent.py'],
    message: /there is no file absent\.py; give a nanoGPT config file \[ESP_MIGRATE\]/,
  },
  {
    what: 'a nanoGPT config without a setting',
    args: ['migrate', 'empty.py'],
    files: { 'empty.py': 'import time\n' },
    message: /empty\.py contains no settings; .* \[ESP_MIGRATE\]/,
  },
  {
    what: 'a folder to migrate',
    args: ['migrate', '.'],
    message: /\. cannot be read: it is a folder; give a config file in it/,
  },
  {
    what: 'a migrated config where it cannot be written',
    args: ['migrate', 'mine.py', '--out', 'no/such/mine.yaml'],
    files: { 'mine.py': 'n_layer = 2\n' },
    message: /no\/such\/mine\.yaml cannot be written: .*choose another with --out \[ESP_MIGRATE\]/,
  },
  { what: 'an unknown plugin to list', args: ['plugins', 'gtp'], message: /no plugin "gtp".*"gpt"/ },
  {
    what: 'a key to explain without what it stands in',
    args: ['explain', 'learning_rate', ...debug.slice(1)],
    message: /no key "learning_rate": did you mean "optimizer\.learning_rate"\?/,
  },
  { what: '--json without --dry-run', args: [...debug, '--json'], message: /--json needs --dry-run/ },
  { what: '--force with --resume', args: [...debug, '--resume', '--force'], message: /--force.*--resume/ },
  { what: '--set without a value', args: ['train', '--set'], message: /--set <key=value>.*missing/ },
  { what: '--set without =', args: [...debug, '--set', 'seed'], message: /--set seed: write it as key=value/ },
  { what: 'no batches to evaluate', args: ['evaluate', '--iters', '0'], message: /--iters.*whole number from 1/ },
  { what: 'batches that are no number', args: ['evaluate', '--iters', 'x'], message: /--iters.*whole number from 1/ },
  {
    what: 'a run to evaluate that is not there',
    args: ['evaluate', 'runs/x'],
    message: /runs\/x does not exist/,
  },
  { what: 'a run to sample that is not there', args: ['sample', 'runs/x'], message: /runs\/x does not exist/ },
  {
    what: 'a prompt’s file as nanoGPT takes it',
    args: ['sample', '--prompt', 'FILE:a.txt'],
    message: /pass a text file with --prompt-file a\.txt/,
  },
  ...['0', '1.01', 'x'].map((share) => ({
    what: `--top-p ${share}`,
    args: ['sample', '--top-p', share],
    message: /--top-p <share>.*give a number above 0, up to 1\./,
  })),
  ...['0', '-1', 'Infinity'].map((penalty) => ({
    what: `--repetition-penalty ${penalty}`,
    args: ['sample', '--repetition-penalty', penalty],
    message: /--repetition-penalty <number>.*give a number above 0\./,
  })),
  { what: 'an empty stop text', args: ['sample', '--stop', ''], message: /--stop <text>.*at least one character/ },
  {
    what: 'a top-p over 1 of the plugin samples',
    args: [...debug, '--set', 'plugins.samples.top_p=1.5'],
    message: /plugins\.samples\.top_p.*<=\s*1/,
  },
  { what: 'an empty prompt', args: ['sample', '--prompt', ''], message: /--prompt.*at least one character/ },
  {
    what: 'a setting for an option',
    args: ['train', '--max_iters=3'],
    message: /unknown option '--max_iters=3'\n\(write --set train\.max_iters=3\)\n/,
  },
  ...['model.n_embd=1e6', 'model.n_layer=1e9', 'train.batch_size=1e9'].map((setting) => ({
    what: `an impossible size (${setting})`,
    args: [...debug, '--set', setting],
    message: new RegExp(
      `^espalier: --set: key ${setting.split('=')[0] ?? ''}: the run would need [\\d.]+ [TPE]iB .*there is [\\d.]+ [GT]iB; lower it \\[ESP_MEMORY\\]\n$`,
    ),
  })),
  { what: 'an unknown command', args: ['trian'], message: /unknown command 'trian'\n\(Did you mean train\?\)/ },
];

for (const { what, args, files, message } of cases) {
  test(`${what}: exit code 2, a clear message, nothing created`, async (t) => {
    const folder = emptyFolder(t);
    for (const [name, content] of Object.entries(files ?? {})) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      writeFileSync(path.join(folder, name), content);
    }
    const before = readdirSync(folder, { recursive: true }).length;
    const { code, err } = await espalier(folder, ...args);
    t.is(code, 2, err);
    t.regex(err, message);
    t.notRegex(err, /^\s+at /m, 'a stack trace');
    t.is(readdirSync(folder, { recursive: true }).length, before);
  });
}
