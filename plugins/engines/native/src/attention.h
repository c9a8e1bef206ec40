// Causal attention in blocks of query rows: no [time, time] matrix is kept, and masked scores are computed only in the
// corner of a block. Query heads that share a key-value head (Ainslie et al., "GQA", 2023) are computed one after the
// other, with keys and values packed once. The backward pass is in attention_gradient.h.
//
// After Dao et al., "FlashAttention", 2022, section 3; here a block sees all its keys at once, since a row of scores
// fits into the second-level cache.
#pragma once

#include <cmath>
#include <cstring>

#include "exponential.h"
#include "kernels.h"
#include "packed_product.h"
#include "random_mask.h"
#include "scratch.h"
#include "threads.h"

namespace espalier {
namespace ESPALIER_VARIANT {

template <class In>
class AttentionHead {
  static constexpr int64_t ROWS = In::tile_rows;
  // Query rows per block: whole tiles, about 64 rows; fewer if they need no packing, so that fewer masked scores are
  // computed.
  static constexpr int64_t QUERY_ROWS = (In::reads_rows ? 24 : 64) / ROWS * ROWS;

 public:
  explicit AttentionHead(const Attention& attention)
      : a_(attention),
        part_(a_.heads.part),
        group_(a_.heads.queries / a_.heads.keys),
        row_(a_.heads.width()),
        width_(a_.heads.queries * part_),
        part_units_(units_of<In>(part_)),
        time_units_(units_of<In>(a_.time)),
        block_units_(units_of<In>(QUERY_ROWS)),
        time_panels_((a_.time + NR - 1) / NR),
        part_panels_((part_ + NR - 1) / NR),
        row_length_(time_panels_ * NR),
        scale_(1.0f / std::sqrt(static_cast<float>(part_))),
        factors_(a_.dropout) {}

  /** @param index a query head, counted over the batch. @param next the head after it, whose memory is prefetched */
  void forward(int64_t index, int64_t next) {
    const float* qkv = queries_of(a_.qkv, index);
    float* y = const_cast<float*>(output_of(a_.y, index));
    float* log_sum = a_.log_sum + index * a_.time;
    Carver carver(memory(0));
    uint32_t* keys = carver.take<uint32_t>(time_panels_ * NR * part_units_);
    uint32_t* values = carver.take<uint32_t>(part_panels_ * NR * time_units_);
    uint32_t* queries = carver.take<uint32_t>(QUERY_ROWS * part_units_);
    float* scores = carver.take<float>(QUERY_ROWS * row_length_);
    uint32_t* weights = carver.take<uint32_t>(QUERY_ROWS * time_units_);

    // Keys lie along the columns of the scores, values along the inner dimension of the result.
    if (index / group_ != packed_) {
      packed_ = index / group_;
      pack_columns(keys_of(a_.qkv, packed_), row_, 1, a_.time, part_, keys);
      pack_columns(values_of(a_.qkv, packed_), 1, row_, part_, a_.time, values);
    }
    for (int64_t top = 0; top < a_.time; top += QUERY_ROWS) {
      const Block block = block_at(index, top);
      score(qkv, block, queries, keys, scores);
      for (int64_t i = 0; i < block.rows; i++) {
        float* row = scores + i * row_length_;
        const Range seen = seen_by(index, top + i);
        log_sum[top + i] = softmax(row, seen, block);
        drop(row, seen, index, top + i);
        ask_for_thirds(a_.qkv, next, top + i);
        ask_for_row(output_of(a_.y, next) + (top + i) * width_);
      }
      const Left left = rows_of(scores + block.begin, row_length_, block.rows, block.keys(), weights);
      const Packed right = {values + units_of<In>(block.begin) * NR, time_units_ * NR};
      multiply_packed<In>(block.rows, part_, units_of<In>(block.keys()), left, right, y + top * width_, width_, {});
    }
  }

  /** Of all query heads of a key-value head. @param next the key-value head after it, whose memory is prefetched */
  void backward(int64_t shared, int64_t next);

 private:
  /** Query rows top ... top + rows - 1, which attend only to keys begin ... end - 1. */
  struct Block {
    int64_t top, rows;
    int64_t first;  // whole tiles of keys before `top`: no earlier one is seen
    int64_t begin;  // the panel of keys that `first` is in begins here
    int64_t end;

    int64_t keys() const { return end - begin; }
  };

  Block block_at(int64_t index, int64_t top) const {
    const int64_t rows = a_.time - top < QUERY_ROWS ? a_.time - top : QUERY_ROWS;
    // The block's first row attends to the earliest key; `top` is a multiple of ROWS.
    const int64_t first = seen_by(index, top).begin / ROWS * ROWS;
    // Packed keys and values can only be entered at the start of a panel.
    static_assert(NR % (In::per_unit * In::unit_step) == 0);
    return {top, rows, first, first / NR * NR, top + rows};
  }

  /** Returns the keys that a query attends to. */
  Range seen_by(int64_t index, int64_t query) const {
    return {a_.first_keys == nullptr ? 0 : a_.first_keys[index / a_.heads.queries * a_.time + query], query + 1};
  }

  /** Returns a head's first element in a [batch, time, heads.width()] tensor; heads are counted over the batch too. */
  const float* queries_of(const float* x, int64_t index) const {
    return x + index / a_.heads.queries * a_.time * row_ + index % a_.heads.queries * part_;
  }

  const float* keys_of(const float* x, int64_t shared) const {
    return x + shared / a_.heads.keys * a_.time * row_ + width_ + shared % a_.heads.keys * part_;
  }

  const float* values_of(const float* x, int64_t shared) const {
    return keys_of(x, shared) + a_.heads.keys * part_;
  }

  /** The same in a [batch, time, heads.queries * part] tensor. */
  const float* output_of(const float* x, int64_t index) const {
    return x + index / a_.heads.queries * a_.time * width_ + index % a_.heads.queries * part_;
  }

  /** A head's rows are far apart, so the processor does not prefetch them by itself. */
  void ask_for_thirds(const float* x, int64_t index, int64_t row) const {
    ask_for_row(queries_of(x, index) + row * row_);
    ask_for_row(keys_of(x, index / group_) + row * row_);
    ask_for_row(values_of(x, index / group_) + row * row_);
  }

  void ask_for_row(const float* row) const {
    for (int64_t j = 0; j < part_; j += W) ask_for(row + j);
  }

  static Packed packed_left(const float* from, int64_t lane_stride, int64_t inner_stride, int64_t lanes, int64_t inner,
                            uint32_t* to) {
    pack_left<In>(from, lane_stride, inner_stride, lanes, inner, 0, (lanes + ROWS - 1) / ROWS, to);
    return {to, units_of<In>(inner) * ROWS};
  }

  /** Returns rows as the left operand of a product; `to` has room for them if they must be packed. */
  static Left rows_of(const float* from, int64_t row_stride, int64_t rows, int64_t inner, uint32_t* to) {
    if constexpr (In::reads_rows) return {from, row_stride};
    else return packed_left(from, row_stride, 1, rows, inner, to);
  }

  static void pack_columns(const float* from, int64_t lane_stride, int64_t inner_stride, int64_t lanes,
                           int64_t inner, uint32_t* to) {
    pack_right<In>(from, lane_stride, inner_stride, lanes, inner, 0, (lanes + NR - 1) / NR, to);
  }

  /** Computes a block's scores against its keys, without scaling. */
  void score(const float* qkv, Block block, uint32_t* queries, const uint32_t* keys, float* scores) const {
    const Left left = rows_of(qkv + block.top * row_, row_, block.rows, part_, queries);
    multiply_by_keys(left, block, keys, scores);
  }

  /** to [rows, end] = left [rows, part] * by [part, keys], in the block's columns. */
  void multiply_by_keys(Left left, Block block, const uint32_t* by, float* to) const {
    const Packed right = {by + block.begin * part_units_, part_units_ * NR};
    multiply_packed<In>(block.rows, block.keys(), part_units_, left, right, to + block.begin, row_length_, {});
  }

  /**
   * Applies softmax in place to the visible keys' scores, and sets the block's others to 0. Returns the log-sum-exp.
   */
  float softmax(float* row, Range seen, Block block) const {
    clear_unseen(row, seen, block);
    row += seen.begin;
    const int64_t count = seen.end - seen.begin;
    Floats most = splat(row[0]);
    each_vector(count, [&](int64_t j, int64_t n) { most = larger(first_lanes(load_some(row + j, n), n, most), most); });
    const float largest = max_of(most) * scale_;
    const float sum = sum_over(count, [&](int64_t j, int64_t n) {
      const Floats e = exp_of(load_some(row + j, n) * scale_ - largest);
      store_some(row + j, e, n);
      return e;
    });
    const float share = 1.0f / sum;
    each_vector(count, [&](int64_t j, int64_t n) { store_some(row + j, load_some(row + j, n) * share, n); });
    return largest + std::log(sum);
  }

  static void clear_unseen(float* row, Range seen, Block block) {
    std::memset(row + block.begin, 0, sizeof(float) * (seen.begin - block.begin));
    std::memset(row + seen.end, 0, sizeof(float) * (block.end - seen.end));
  }

  void drop(float* row, Range seen, int64_t index, int64_t query) const {
    if (!factors_.active()) return;
    row += seen.begin;
    const int64_t first = mask_at(index, query, seen);
    each_vector(seen.end - seen.begin, [&](int64_t j, int64_t n) {
      store_some(row + j, load_some(row + j, n) * factors_.at(first + j), n);
    });
  }

  /** Returns the mask's element index for the first key that a query attends to. */
  int64_t mask_at(int64_t index, int64_t query, Range seen) const {
    return (index * a_.time + query) * a_.time + seen.begin;
  }

  void backward_of(int64_t index, int64_t next);
  void softmax_gradient(float* scores, float* gradients, float log_sum, Block block, int64_t index,
                        int64_t query) const;
  void add_by_keys(const float* rows, Block block, uint32_t* lanes, const uint32_t* b, float* to, bool is_first) const;

  void* memory(int which) const {
    static thread_local Scratch scratch[2];
    const auto padded = Carver::padded;
    const int64_t keys = padded(time_panels_ * NR * part_units_), values = padded(part_panels_ * NR * time_units_);
    const int64_t lanes = padded(QUERY_ROWS * part_units_), rows = padded(QUERY_ROWS * time_units_);
    const int64_t scores = padded(QUERY_ROWS * row_length_);
    const int64_t words = which == 0 ? keys + values + lanes + rows + scores
                                     : 2 * keys + values + lanes + rows + 2 * scores +
                                           padded(part_panels_ * NR * block_units_) +
                                           padded((a_.time + ROWS) * block_units_);
    return scratch[which].template get<uint32_t>(words);
  }

  const Attention& a_;
  int64_t part_;
  int64_t group_;         // heads of queries that share one of keys and values
  int64_t row_, width_;   // of queries, keys and values; of queries alone
  int64_t packed_ = -1;   // the head whose keys and values are packed, forward
  int64_t part_units_, time_units_, block_units_, time_panels_, part_panels_, row_length_;
  float scale_;
  DropoutFactors factors_;
};

/** Calls body(head, index, next) for each of `count` heads. @param work floating-point operations of one head */
template <class In, class Body>
void each_head(const Attention& a, int64_t count, int64_t work, Body&& body) {
  parallel(count, work, [&](int64_t begin, int64_t end) {
    AttentionHead<In> head(a);
    for (int64_t i = begin; i < end; i++) body(head, i, i + 1 < end ? i + 1 : i);
  });
}

template <class In>
void attend(const Attention& a) {
  const int64_t work = a.time * a.time * a.heads.part;
  using Head = AttentionHead<In>;
  each_head<In>(a, a.batch * a.heads.queries, work, [](Head& head, int64_t i, int64_t next) { head.forward(i, next); });
}

inline void attention(const Attention& a) {
  if (a.precision == Precision::bf16) attend<InBf16>(a);
  else attend<InF32>(a);
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
