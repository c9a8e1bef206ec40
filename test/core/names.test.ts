import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import ts from 'typescript';
import { describeOptions } from '../../plugins/configs/printing/options.js';
import { coreSchema } from '../../core/config/schema.js';
import { builtInNames, loadBuiltIns } from '../../core/families/load.js';
import { testRun } from '../../plugins/testing/contract.js';

/** Names of plugins and of their options that are also terms of the core. */
const coreTerms: Readonly<Record<string, string>> = {
  checkpoint: 'what a run is stored as and resumes from, whoever writes it',
  evaluation: 'an event of a run, whoever computes it; the method of batches that gives its windows',
  progress: 'the method of batches that says how far the data is read',
};

interface Literal {
  readonly text: string;
  readonly place: string;
}

/** Returns the string literals of the core's sources and the fixed parts of its templates, except imports. */
function literalsOfCore(): Literal[] {
  const files = readdirSync('core', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  return files.flatMap((name) => {
    const file = path.join('core', name);
    const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
    const found: Literal[] = [];
    const visit = (node: ts.Node): void => {
      const isImported = ts.isImportDeclaration(node.parent) || ts.isExportDeclaration(node.parent);
      if (
        !isImported &&
        (ts.isStringLiteralLike(node) ||
          ts.isTemplateHead(node) ||
          ts.isTemplateMiddle(node) ||
          ts.isTemplateTail(node))
      ) {
        const { line } = source.getLineAndCharacterOfPosition(node.getStart());
        found.push({ text: node.text, place: `${file}:${String(line + 1)}` });
      }
      ts.forEachChild(node, visit);
    };
    ts.forEachChild(source, visit);
    return found;
  });
}

/** Returns where the core's literals contain one of these words. */
function uses(words: Iterable<string>, literals: readonly Literal[]): string[] {
  const escaped = [...new Set(words)].map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const word = new RegExp(`(?<![\\w-])(?:${escaped.join('|')})(?![\\w-])`, 'g');
  return literals.flatMap(({ text, place }) => [...text.matchAll(word)].map(([name]) => `${place}: ${name}`));
}

const literals = literalsOfCore();
const { plugins, broken } = await loadBuiltIns();
const ofCore = describeOptions(coreSchema).map(({ name }) => name.split('.').at(-1));
const ofPlugins = plugins.flatMap(({ options: { config } }) =>
  config === undefined ? [] : describeOptions(config).map(({ name }) => name.split('.').at(-1) ?? ''),
);
/** The other options have everyday names: `file`, `interval`, `name`. */
const distinctive = ofPlugins.filter((name) => name.includes('_') && !ofCore.includes(name));

test('the core’s literals name no plugin, except terms of its own', (t) => {
  t.deepEqual(broken, []);
  t.deepEqual(
    uses(
      builtInNames().filter((name) => !Object.hasOwn(coreTerms, name)),
      literals,
    ),
    [],
  );
});

test('the core’s literals name no option of a plugin', (t) => {
  t.true(distinctive.length > 40);
  t.deepEqual(
    uses(
      distinctive.filter((name) => !Object.hasOwn(coreTerms, name)),
      literals,
    ),
    [],
  );
  t.deepEqual(
    uses(
      builtInNames().map((name) => `plugins.${name}`),
      literals,
    ),
    [],
  );
});

test('the core’s literals name no weight of a model', async (t) => {
  await using made = await testRun({ config: { model: { attn_lora_rank: 2, embedding_lora_rank: 2, bias: true } } });
  const { run } = made;
  const names = [...run.model.parameters().keys()].flatMap((name) => name.split('.'));
  const own = names.filter((name) => !/^(?:\d+|h|weight|bias|main)$/.test(name));
  t.true(own.includes('wte') && own.includes('c_attn'), own.join());
  t.deepEqual(uses(own, literals), []);
});

test('every listed term occurs in the core and as a plugin’s name or option', (t) => {
  for (const term of Object.keys(coreTerms)) {
    t.true(uses([term], literals).length > 0, term);
    t.true(builtInNames().includes(term) || distinctive.includes(term), term);
  }
});

test('literals in templates and object keys are read', (t) => {
  const found = uses(['run:start', 'espalier '], literals);
  t.true(found.length > 0);
  t.true(uses(['ESP_CONFIG_VALUE'], literals).length > 1);
});
