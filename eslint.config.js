import eslint from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

const ourTypeScript = ['core/**/*.{ts,cts}', 'plugins/**/*.ts', 'test/**/*.ts'];

/** Imports that the layering forbids; `.dependency-cruiser.cjs` holds the same for what is emitted, and forbids cycles. */
function forbidImports(files, regex, message) {
  return { files, rules: { 'no-restricted-imports': ['error', { patterns: [{ regex, message }] }] } };
}

const noTensorflowValue = {
  selector: 'ImportDeclaration[importKind="value"][source.value=/^@tensorflow/]',
  message: 'Import `tf` of core/tf.ts, and a backend with `import x = require()`: see there.',
};

/** Node's recursive `mkdir` hides why a folder cannot be made. */
const noMkdir = {
  selector: 'ImportSpecifier[imported.name=/^mkdir(Sync)?$/]',
  message: 'Make folders with makeFolder of plugins/files/contract.ts.',
};

export default defineConfig(
  // Fixtures are outside authors' files: they are loaded by jiti, not compiled.
  globalIgnores(['dist/', 'runs/', 'coverage/', 'plugins/*/*/build/', 'test/fixtures/']),
  {
    files: ['**/*.{js,mjs,cjs}'],
    extends: [eslint.configs.recommended],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', module: 'writable' } },
  },
  {
    files: ourTypeScript,
    extends: [eslint.configs.recommended, tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      'no-restricted-properties': [
        'error',
        {
          object: 'Math',
          property: 'random',
          message:
            'Take a named stream of RandomStreams: a run must not depend on anything that is not in its checkpoint.',
        },
      ],
      // A contract and its token share a name (a type and a value), and decorator metadata needs the value.
      'no-redeclare': 'off',
      '@typescript-eslint/consistent-type-imports': 'off',
      // Listeners and hooks are `void | Promise<void>`.
      '@typescript-eslint/no-invalid-void-type': 'off',
      // `interface Events extends PayloadsOf<…> {}` adds declared events to an interface.
      '@typescript-eslint/no-empty-object-type': ['error', { allowInterfaces: 'with-single-extends' }],
      // Plugins may have nothing but decorated or static members.
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      '@typescript-eslint/no-require-imports': ['error', { allowAsImport: true }],
      'no-restricted-syntax': ['error', noTensorflowValue],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      // A contract's method may be async for one implementation and have nothing to await in another.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
    },
  },
  {
    files: ['core/**/*.ts', 'plugins/**/*.ts'],
    ignores: ['plugins/files/writing/make-folder.ts'],
    rules: { 'no-restricted-syntax': ['error', noTensorflowValue, noMkdir] },
  },
  // Kernels index typed arrays within bounds that their loops state; a check of each element would be most of the work.
  { files: ['plugins/**/kernels/**/*.ts'], rules: { '@typescript-eslint/no-non-null-assertion': 'off' } },
  // Programs that outside authors start from, with tests for the runner of Node.
  {
    files: ['plugins/scaffolds/templates/*.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafeCalls: [{ from: 'package', name: 'test', package: 'node:test' }] },
      ],
    },
  },
  // What a command prints is its result.
  {
    files: [
      'plugins/*/{commands,options}/*.ts',
      'plugins/command-line/shell/*.ts',
      'plugins/engines/shared/engines.ts',
      'test/bench/**/*.ts',
      'test/reference/write.ts',
    ],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // Tests read what they threw or wrote as plain data.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  forbidImports(['core/**/*.ts'], '(^|/)plugins/[a-z-]+/[^*]', 'The core imports no family.'),
  {
    files: ['test/**/*.ts'],
    ignores: ['test/property.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { paths: [{ name: 'fast-check', message: 'Import it from test/property.ts, which fixes its seed.' }] },
      ],
    },
  },
  forbidImports(
    ['plugins/**/*.ts'],
    '/core/(?!(index|errors|installation|paths|runs|terminal|(events|random)/index)\\.js$)',
    'A family imports the core’s public faces: index.js, errors.js, installation.js, paths.js, runs.js, terminal.js, events/index.js, random/index.js.',
  ),
);
