import { handleSignals, holdHangup } from '../../signals/contract.js';

// Imported before anything else: until now a signal would end the process unhandled, or open Node's debugger.
handleSignals();
if (process.argv[2] === 'train') holdHangup();
