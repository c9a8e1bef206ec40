declare module 'node-gyp-build' {
  /** Loads the addon of that folder: a prebuilt one that fits this machine, or the one in `build/Release`. */
  export default function load(folder: string): unknown;
}
