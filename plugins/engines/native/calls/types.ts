import type { Activation } from '../../../ops/contract.js';

export type Floats = Float32Array;
export type Optional<T> = T | undefined;

export type RowSizes = [rows: number, columns: number];
export type NormSizes = [...RowSizes, epsilon: number];
export type ProductSizes = [m: number, n: number, k: number];
export type HeadArguments = [heads: number, keyValueHeads: number, headDim: number];
export type AttentionSizes = [batch: number, ...HeadArguments, time: number];
export type LookupSizes = [count: number, width: number, rows: number];

export type DropoutArguments = [rate: number, key0: number, key1: number, first: number];
export type ActivationArguments = [kind: Activation, size: number];
