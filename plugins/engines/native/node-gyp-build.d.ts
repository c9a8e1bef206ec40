declare module 'node-gyp-build' {
  /** Loads the addon in a folder: the one in `build/Release`, or a prebuilt one for this machine. */
  function load(folder: string): unknown;
  namespace load {
    /** Returns the file that `load` loads. @throws Error if there is none */
    function path(folder: string): string;
  }
  export default load;
}
