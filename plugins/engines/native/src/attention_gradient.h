// The backward pass of attention.h: a block's weights are computed again from its scores and the kept sums.
#pragma once

#include <initializer_list>

#include "attention.h"

namespace espalier {
namespace ESPALIER_VARIANT {

template <class In>
void AttentionHead<In>::backward(int64_t shared, int64_t next) {
  for (int64_t i = 0; i < group_; i++)
    backward_of(shared * group_ + i, i + 1 < group_ ? shared * group_ + i + 1 : next * group_);
}

template <class In>
void AttentionHead<In>::backward_of(int64_t index, int64_t next) {
  const int64_t shared = index / group_;
  const bool is_first = index % group_ == 0;
  const float* qkv = queries_of(a_.qkv, index);
  const float* dy = output_of(a_.dy, index);
  float* dqueries = const_cast<float*>(queries_of(a_.dqkv, index));
  float* dkeys = const_cast<float*>(keys_of(a_.dqkv, shared));
  float* dvalues = const_cast<float*>(values_of(a_.dqkv, shared));
  const float* log_sum = a_.log_sum + index * a_.time;
  Carver carver(memory(1));
  uint32_t* keys = carver.take<uint32_t>(time_panels_ * NR * part_units_);
  uint32_t* values = carver.take<uint32_t>(time_panels_ * NR * part_units_);
  uint32_t* keys_by_time = carver.take<uint32_t>(part_panels_ * NR * time_units_);
  uint32_t* lanes = carver.take<uint32_t>(QUERY_ROWS * part_units_);
  uint32_t* by_block = carver.take<uint32_t>(part_panels_ * NR * block_units_);
  uint32_t* weights = carver.take<uint32_t>((a_.time + ROWS) * block_units_);
  uint32_t* rows = carver.take<uint32_t>(QUERY_ROWS * time_units_);
  float* scores = carver.take<float>(QUERY_ROWS * row_length_);
  float* gradients = carver.take<float>(QUERY_ROWS * row_length_);

  if (is_first) {
    pack_columns(keys_of(a_.qkv, shared), row_, 1, a_.time, part_, keys);
    pack_columns(values_of(a_.qkv, shared), row_, 1, a_.time, part_, values);
    pack_columns(keys_of(a_.qkv, shared), 1, row_, part_, a_.time, keys_by_time);
  }
  for (int64_t top = 0; top < a_.time; top += QUERY_ROWS) {
    const Block block = block_at(index, top);
    score(qkv, block, lanes, keys, scores);
    const Left outputs = rows_of(dy + top * width_, width_, block.rows, part_, lanes);
    multiply_by_keys(outputs, block, values, gradients);
    for (int64_t i = 0; i < block.rows; i++) {
      softmax_gradient(scores + i * row_length_, gradients + i * row_length_, log_sum[top + i], block, index,
                       top + i);
      ask_for_thirds(a_.qkv, next, top + i);
      ask_for_thirds(a_.dqkv, next, top + i);
      ask_for_row(output_of(a_.dy, next) + (top + i) * width_);
    }

    pack_columns(dy + top * width_, 1, width_, part_, block.rows, by_block);
    add_by_keys(scores, block, weights, by_block, dvalues, is_first);
    pack_columns(qkv + top * row_, 1, row_, part_, block.rows, by_block);
    add_by_keys(gradients, block, weights, by_block, dkeys, is_first);

    const Left left = rows_of(gradients + block.begin, row_length_, block.rows, block.keys(), rows);
    const Packed right = {keys_by_time + units_of<In>(block.begin) * NR, time_units_ * NR};
    multiply_packed<In>(block.rows, part_, units_of<In>(block.keys()), left, right, dqueries + top * row_, row_, {});
  }
}

/**
 * Takes scores and the gradients of the weights after dropout; leaves the weights after dropout in `scores`, and the
 * gradients of the unscaled scores in `gradients`.
 */
template <class In>
void AttentionHead<In>::softmax_gradient(float* scores, float* gradients, float log_sum, Block block, int64_t index,
                                         int64_t query) const {
  const Range seen = seen_by(index, query);
  for (float* row : {scores, gradients}) clear_unseen(row, seen, block);
  scores += seen.begin, gradients += seen.begin;
  const int64_t count = seen.end - seen.begin, first = mask_at(index, query, seen);
  Floats along = {}, total = {};
  // The weights before dropout are needed twice, and recomputed rather than kept.
  each_vector(count, [&](int64_t j, int64_t n) {
    const Floats weight = first_lanes(exp_of(load_some(scores + j, n) * scale_ - log_sum), n, Floats{});
    Floats gradient = load_some(gradients + j, n);
    if (factors_.active()) gradient *= factors_.at(first + j);
    store_some(scores + j, weight, n);
    store_some(gradients + j, gradient, n);
    along += gradient * weight;
    total += weight;
  });
  const float mean = sum_of(along) / sum_of(total);
  each_vector(count, [&](int64_t j, int64_t n) {
    const Floats weight = load_some(scores + j, n);
    store_some(gradients + j, weight * (load_some(gradients + j, n) - mean) * scale_, n);
    if (factors_.active()) store_some(scores + j, weight * factors_.at(first + j), n);
  });
}

/**
 * to [end, part] += rows^T * b. The first head of a group overwrites the block's own rows, which nothing was added to
 * before.
 */
template <class In>
void AttentionHead<In>::add_by_keys(const float* rows, Block block, uint32_t* lanes, const uint32_t* b, float* to,
                                    bool is_first) const {
  const int64_t units = units_of<In>(block.rows), before = block.top - block.first;
  const Packed left =
      packed_left(rows + block.first, 1, row_length_, block.end - block.first, block.rows, lanes);
  const Packed own = {left.words + before / ROWS * left.panel_stride, left.panel_stride};
  Epilogue epilogue;
  epilogue.accumulate = true;
  // `first` and `top` are multiples of ROWS: no tile is half written.
  multiply_packed<In>(before, part_, units, left, {b, units * NR}, to + block.first * row_, row_, epilogue);
  epilogue.accumulate = !is_first;
  multiply_packed<In>(block.rows, part_, units, own, {b, units * NR}, to + block.top * row_, row_, epilogue);
}

template <class In>
void attend_gradient(const Attention& a) {
  // The gradients of keys and values are sums over the heads that share them: one thread computes them, in order.
  const int64_t group = a.heads.queries / a.heads.keys, work = a.time * a.time * a.heads.part * group;
  using Head = AttentionHead<In>;
  each_head<In>(a, a.batch * a.heads.keys, work, [](Head& head, int64_t i, int64_t next) { head.backward(i, next); });
}

inline void attention_gradient(const Attention& a) {
  if (a.precision == Precision::bf16) attend_gradient<InBf16>(a);
  else attend_gradient<InF32>(a);
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
