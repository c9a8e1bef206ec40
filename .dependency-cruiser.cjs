/**
 * The layering, checked on what tsc emits: dependency-cruiser 16 (the last for Node 20) does not read
 * TypeScript 6. Imports of types alone leave no trace there: `no-restricted-imports` in eslint.config.js sees those.
 * @type {import('dependency-cruiser').IConfiguration}
 */
module.exports = {
  forbidden: [
    {
      name: 'core-imports-no-family',
      comment: 'The core reaches families by name, at run time: it must start with any of them deleted.',
      severity: 'error',
      from: { path: '^dist/core/' },
      to: { path: '^dist/plugins/[^/]+/' },
    },
    {
      name: 'family-imports-contracts',
      comment: 'Of another family, only its public face.',
      severity: 'error',
      from: { path: '^dist/plugins/([^/]+)/' },
      to: { path: '^dist/plugins/[^/]+/', pathNot: ['^dist/plugins/$1/', '^dist/plugins/[^/]+/contract\\.js$'] },
    },
    {
      name: 'family-imports-public-faces',
      comment: 'Built-in families use what outside authors can use.',
      severity: 'error',
      from: { path: '^dist/plugins/' },
      to: {
        path: '^dist/core/',
        pathNot: '^dist/core/((index|errors|installation|paths|runs|terminal)|(events|random)/index)\\.js$',
      },
    },
    {
      name: 'no-test-code',
      comment: 'What is shipped does not need the tests.',
      severity: 'error',
      from: { path: '^dist/(core|plugins)/' },
      to: { path: '^dist/test/' },
    },
    {
      name: 'no-cycles',
      comment: 'Cycles and decorator metadata together give "cannot access before initialization".',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'resolvable',
      comment: 'A typed import of something that is not installed.',
      severity: 'error',
      // Optional: they may be absent, or have no build for a platform.
      from: {},
      to: { couldNotResolve: true, pathNot: '^(@tensorflow/tfjs-node|(@anush008/)?tokenizers$)' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    moduleSystems: ['es6'],
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
