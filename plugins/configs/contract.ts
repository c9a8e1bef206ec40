/** YAML by the rules of configs. */
export { readYaml, YamlFault } from './reading/yaml.js';

/** Settings by other trainers' names. */
export { otherNames, type SettingCalled } from './hints/other-names.js';

/** Presets. */
export { listPresets, type Preset } from './reading/presets.js';

/** Composing a config from layers that are not files, such as a checkpoint's config with settings over it. */
export { composedOf, composeStored, configWithPluginPaths, over } from './layers/compose.js';
export { parsePath } from './layers/path.js';
export { withoutReplaced, withoutSettings } from './layers/replaced.js';
export { merge, treeOf } from './layers/tree.js';

/** Printing settings, and plugins' options. */
export { renderLines } from './printing/explained.js';
export { describeOptions, type OptionDoc } from './printing/options.js';

/** Where a config is looked for, and the JSON Schema of those of a folder. */
export { searchPlaces } from './reading/reader.js';
export { configSchema } from './json-schema/config.js';
