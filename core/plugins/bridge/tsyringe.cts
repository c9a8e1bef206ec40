import shared = require('./shared.cjs');

export = shared('tsyringe');
