import { handleSignals, holdHangup } from '../../signals/contract.js';

// Must be imported first: before this, a signal ends the process unhandled or starts Node's debugger.
handleSignals();
if (process.argv[2] === 'train') holdHangup();
