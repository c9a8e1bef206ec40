import shared = require('./shared.cjs');

export = shared('@tensorflow/tfjs-core');
