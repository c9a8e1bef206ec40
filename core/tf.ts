/**
 * TensorFlow.js, whose tensors are those of the running engine.
 *
 * Not an `import` of the package: Node would read its megabyte of CommonJS through for the names that it exports, a
 * quarter of the time that a command takes to start.
 */
import tf = require('@tensorflow/tfjs-core');

export { tf };
