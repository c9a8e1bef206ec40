/** YAML as configs have it. */
export { readYaml, YamlFault } from './reading/yaml.js';

/** Settings by the names that other trainers have for them. */
export { otherNames, type SettingCalled } from './hints/other-names.js';

/** Presets. */
export { listPresets } from './reading/presets.js';

/** Composing a config of other layers than files: a checkpoint's, with settings over it. */
export { composedOf, composeStored, configWithPluginPaths, over } from './layers/compose.js';
export { parsePath } from './layers/path.js';
export { withoutReplaced, withoutSettings } from './layers/replaced.js';
export { merge, treeOf } from './layers/tree.js';

/** What is printed of settings and of the options that plugins take. */
export { renderLines } from './printing/explained.js';
export { describeOptions, type OptionDoc } from './printing/options.js';
