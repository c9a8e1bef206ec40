import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import * as espalier from '../../plugins/index.js';
import { GENERATED } from './markdown.js';

/** The page of `docs/plugins` about writing each; contracts of slots come first, in the order of the slots. */
const PAGES: Readonly<Record<string, string>> = {
  Engine: 'engine',
  TokenizerFactory: 'tokenizer',
  Dataset: 'dataset',
  BatchSource: 'batch-strategy',
  Model: 'model',
  Optimizer: 'optimizer',
  LearningRate: 'lr-schedule',
  Evaluators: 'evaluator',
  LossTerms: 'loss-term',
  WeightRoles: 'model',
};

/** A contract: the name of its token, its interface, and the file of both. */
interface Contract {
  readonly name: string;
  readonly type: string;
  readonly isList: boolean;
  readonly source: ts.SourceFile;
}

/** The contracts that `espalier` exports, each with its interface as the source has it. */
export function contractsPage(): string {
  const known = Object.keys(PAGES);
  const place = ({ name }: Contract): number => (known.includes(name) ? known.indexOf(name) : known.length);
  const contracts = publicContracts().sort((a, b) => place(a) - place(b) || (a.name < b.name ? -1 : 1));
  const printed = new Set<string>();
  return [
    GENERATED,
    '# Contracts',
    'A contract is an interface with a token of the same name. A plugin binds it with `bindings.bind(Contract, Class)`, or adds to it with `bindings.add(Contract, Class)` where several plugins may; others ask for it with `@inject(Contract)`. See [writing plugins](../plugins/writing-plugins.md).',
    ...contracts.map((contract) => section(contract, printed)),
    '',
  ].join('\n\n');
}

function section({ name, type, isList, source }: Contract, printed: Set<string>): string {
  const page = PAGES[name];
  const bound = isList ? `\`bindings.add(${name}, …)\`` : `\`bindings.bind(${name}, …)\``;
  return [
    `## ${name}`,
    `${bound}, in \`${path.posix.normalize(source.fileName)}\`.${page === undefined ? '' : ` How to write one: [${titleOf(page)}](../plugins/${page}.md).`}`,
    ['```ts excerpt', withReferences(type, source, printed).join('\n\n'), '```'].join('\n'),
  ].join('\n\n');
}

/** The title of a page about plugins, within a sentence. */
function titleOf(page: string): string {
  const [, title = page] = /^# (.*)$/m.exec(readFileSync(`docs/plugins/${page}.md`, 'utf8')) ?? [];
  return title.charAt(0).toLowerCase() + title.slice(1);
}

/** A type's declaration, and those of the same file that it mentions and that are not printed yet. */
function withReferences(type: string, source: ts.SourceFile, printed: Set<string>): string[] {
  const declared = source.statements.find(
    (statement): statement is ts.InterfaceDeclaration | ts.TypeAliasDeclaration =>
      (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)) && statement.name.text === type,
  );
  if (declared === undefined || printed.has(type)) return [];
  printed.add(type);
  const mentioned: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isTypeReferenceNode(node) && ts.isIdentifier(node.typeName)) mentioned.push(node.typeName.text);
    ts.forEachChild(node, visit);
  };
  visit(declared);
  const text = source.text.slice(declared.getStart(source, true), declared.end).replace(/^export /m, '');
  return [text, ...mentioned.flatMap((each) => withReferences(each, source, printed))];
}

/** What `espalier` exports as a token whose interface is in the same file: not what the core alone gives. */
function publicContracts(): Contract[] {
  const exported: ReadonlyMap<string, unknown> = new Map(Object.entries(espalier));
  const files = ['core/contracts', 'plugins'].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => path.posix.join(folder, file.split(path.sep).join('/'))),
  );
  return files.flatMap((file) => {
    const text = readFileSync(file, 'utf8');
    return [...text.matchAll(/^export const (\w+) = (token|listToken)<(\w+)>\(/gm)].flatMap(
      ([, name = '', kind, type = '']) => {
        const isPublic =
          typeof exported.get(name) === 'symbol' && new RegExp(`^export interface ${type}\\b`, 'm').test(text);
        if (!isPublic) return [];
        const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest);
        return [{ name, type, isList: kind === 'listToken', source }];
      },
    );
  });
}
