/** YAML as configs have it. */
export { readYaml, YamlFault } from './reading/yaml.js';

/** Settings by the names that other trainers have for them. */
export { otherNames } from './hints/other-names.js';

/** Presets. */
export { listPresets } from './reading/presets.js';

/** Composing a config of other layers than files: a checkpoint's, with settings over it. */
export { composedOf, composeStored } from './layers/over.js';
export { configWithPluginPaths } from './layers/plugin-paths.js';
export { withoutReplaced } from './layers/replaced.js';
export { merge, treeOf } from './layers/tree.js';
