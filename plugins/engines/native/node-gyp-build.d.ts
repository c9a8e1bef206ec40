declare module 'node-gyp-build' {
  /** Loads the addon of that folder: the one in `build/Release`, or a prebuilt one that fits this machine. */
  function load(folder: string): unknown;
  namespace load {
    /** The file that `load` takes. @throws Error when there is none */
    function path(folder: string): string;
  }
  export default load;
}
