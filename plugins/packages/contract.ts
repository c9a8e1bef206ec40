/** The package manager of the project that espalier is installed in, for advice. Loads nothing else. */
export { addCommand, packageCommands } from './project/package-manager.js';
