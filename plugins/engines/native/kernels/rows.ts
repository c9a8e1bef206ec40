import { activationIn } from '../../../ops/contract.js';
import { dropoutOf } from './attention.js';
import type { NativeKernel } from '../backend.js';
import { rowsAndColumns } from './sizes.js';

export const rowKernels: readonly NativeKernel[] = [
  {
    name: 'EspalierLayerNorm',
    compute: (inputs, attributes, backend) => {
      const [x, weight, bias] = [inputs.get('x'), inputs.get('weight'), inputs.optional('bias')];
      const y = backend.allocate(x.shape);
      backend.binding.layerNorm(
        ...rowsAndColumns(x.shape),
        attributes.number('epsilon'),
        ...[backend.floats(x), backend.floats(weight)],
        bias === undefined ? undefined : backend.floats(bias),
        backend.floats(y),
      );
      return y;
    },
  },
  {
    name: 'EspalierLayerNormGrad',
    compute: (inputs, attributes, backend) => {
      const [dy, x, weight] = [inputs.get('dy'), inputs.get('x'), inputs.get('weight')];
      const [rows, columns] = rowsAndColumns(x.shape);
      const outputs = [x.shape, [columns], [columns]].map((shape) => backend.allocate(shape));
      const [dx, dWeight, dBias] = outputs.map((tensor) => backend.floats(tensor));
      backend.binding.layerNormGradient(
        ...[rows, columns, attributes.number('epsilon')],
        ...[backend.floats(dy), backend.floats(x), backend.floats(weight)],
        ...[dx!, dWeight!, dBias!],
      );
      return outputs;
    },
  },
  {
    name: 'EspalierActivation',
    compute: (inputs, attributes, backend) => {
      const x = inputs.get('x');
      const y = backend.allocate(x.shape);
      backend.binding.activation(activationIn(attributes), x.size, backend.floats(x), backend.floats(y));
      return y;
    },
  },
  {
    name: 'EspalierActivationGrad',
    compute: (inputs, attributes, backend) => {
      const [dy, x] = [inputs.get('dy'), inputs.get('x')];
      const dx = backend.allocate(x.shape);
      const arrays = [backend.floats(dy), backend.floats(x), backend.floats(dx)] as const;
      backend.binding.activationGradient(activationIn(attributes), x.size, ...arrays);
      return dx;
    },
  },
  {
    name: 'EspalierGated',
    compute: (inputs, attributes, backend) => {
      const [gate, up] = [inputs.get('gate'), inputs.get('up')];
      const y = backend.allocate(gate.shape);
      const arrays = [backend.floats(gate), backend.floats(up), backend.floats(y)] as const;
      backend.binding.gated(activationIn(attributes), gate.size, ...arrays);
      return y;
    },
  },
  {
    name: 'EspalierGatedGrad',
    compute: (inputs, attributes, backend) => {
      const [dy, gate, up] = [inputs.get('dy'), inputs.get('gate'), inputs.get('up')];
      const [dGate, dUp] = [backend.allocate(gate.shape), backend.allocate(gate.shape)];
      backend.binding.gatedGradient(
        ...([activationIn(attributes), gate.size] as const),
        ...([backend.floats(dy), backend.floats(gate), backend.floats(up)] as const),
        ...([backend.floats(dGate), backend.floats(dUp)] as const),
      );
      return [dGate, dUp];
    },
  },
  {
    name: 'EspalierRmsNorm',
    compute: (inputs, attributes, backend) => {
      const [x, weight] = [inputs.get('x'), inputs.get('weight')];
      const y = backend.allocate(x.shape);
      backend.binding.rmsNorm(
        ...rowsAndColumns(x.shape),
        attributes.number('epsilon'),
        ...([backend.floats(x), backend.floats(weight), backend.floats(y)] as const),
      );
      return y;
    },
  },
  {
    name: 'EspalierRmsNormGrad',
    compute: (inputs, attributes, backend) => {
      const [dy, x, weight] = [inputs.get('dy'), inputs.get('x'), inputs.get('weight')];
      const [rows, columns] = rowsAndColumns(x.shape);
      const [dx, dWeight] = [backend.allocate(x.shape), backend.allocate([columns])];
      backend.binding.rmsNormGradient(
        ...([rows, columns, attributes.number('epsilon')] as const),
        ...([backend.floats(dy), backend.floats(x), backend.floats(weight)] as const),
        ...([backend.floats(dx), backend.floats(dWeight)] as const),
      );
      return [dx, dWeight];
    },
  },
  {
    name: 'EspalierDropout',
    compute: (inputs, attributes, backend) => {
      const x = inputs.get('x');
      const y = backend.allocate(x.shape);
      backend.binding.dropout(x.size, ...dropoutOf(attributes), backend.floats(x), backend.floats(y));
      return y;
    },
  },
  {
    name: 'EspalierEmbedding',
    compute: (inputs, _attributes, backend) => {
      const [ids, table] = [inputs.get('ids'), inputs.get('table')];
      const [rows, width] = rowsAndColumns(table.shape);
      const y = backend.allocate([...ids.shape, width]);
      backend.binding.embedding(ids.size, width, rows, backend.integers(ids), backend.floats(table), backend.floats(y));
      return y;
    },
  },
  {
    name: 'EspalierEmbeddingGrad',
    compute: (inputs, attributes, backend) => {
      const [dy, ids] = [inputs.get('dy'), inputs.get('ids')];
      const [count, width] = rowsAndColumns(dy.shape);
      const gradient = backend.allocate([attributes.number('rows'), width]);
      const arrays = [backend.integers(ids), backend.floats(dy), backend.floats(gradient)] as const;
      backend.binding.embeddingGradient(count, width, attributes.number('rows'), ...arrays);
      return gradient;
    },
  },
  {
    name: 'EspalierSoftmaxCrossEntropy',
    compute: (inputs, _attributes, backend) => {
      const [logits, targets] = [inputs.get('logits'), inputs.get('targets')];
      const [rows, classes] = rowsAndColumns(logits.shape);
      const [loss, logSum] = [backend.allocate([]), backend.allocate([rows])];
      const arrays = [backend.floats(logits), backend.integers(targets), backend.floats(logSum)] as const;
      backend.binding.crossEntropy(rows, classes, ...arrays, backend.floats(loss));
      return [loss, logSum];
    },
  },
  {
    name: 'EspalierSoftmaxCrossEntropyGrad',
    compute: (inputs, _attributes, backend) => {
      const [dy, logits, targets] = [inputs.get('dy'), inputs.get('logits'), inputs.get('targets')];
      const gradient = backend.allocate(logits.shape);
      backend.binding.crossEntropyGradient(
        ...rowsAndColumns(logits.shape),
        backend.floats(dy),
        backend.floats(logits),
        backend.integers(targets),
        ...[backend.floats(inputs.get('logSum')), backend.floats(gradient)],
      );
      return gradient;
    },
  },
  {
    name: 'EspalierTokenCrossEntropy',
    compute: (inputs, _attributes, backend) => {
      const [logits, targets] = [inputs.get('logits'), inputs.get('targets')];
      const [losses, logSum] = [backend.allocate(targets.shape), backend.allocate(targets.shape)];
      backend.binding.tokenCrossEntropy(
        ...rowsAndColumns(logits.shape),
        ...([
          backend.floats(logits),
          backend.integers(targets),
          backend.floats(losses),
          backend.floats(logSum),
        ] as const),
      );
      return [losses, logSum];
    },
  },
  {
    name: 'EspalierTokenCrossEntropyGrad',
    compute: (inputs, _attributes, backend) => {
      const [logits, targets] = [inputs.get('logits'), inputs.get('targets')];
      const gradient = backend.allocate(logits.shape);
      backend.binding.tokenCrossEntropyGradient(
        ...rowsAndColumns(logits.shape),
        ...([backend.floats(inputs.get('dLosses')), backend.floats(inputs.get('dLogSum'))] as const),
        ...([backend.floats(logits), backend.integers(targets)] as const),
        ...([backend.floats(inputs.get('logSum')), backend.floats(gradient)] as const),
      );
      return gradient;
    },
  },
];
