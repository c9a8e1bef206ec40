/** Where the dashboard listens unless it is told otherwise: within reach of this machine alone. */
export const DEFAULT_HOST = '127.0.0.1';
export const DEFAULT_PORT = 7317;
