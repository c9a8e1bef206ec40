// Attention over queries, keys and values side by side, and what positions do to them.
#include "arguments.h"
#include "calls.h"

#include <vector>

namespace espalier {
namespace {

/** Heads::width, checked; the sum cannot overflow, since sizes are below 2^53. */
int64_t row_of(const Heads& heads) { return times(heads.part, heads.queries + 2 * heads.keys); }

/** For each position of [batch, time], the first one of its row that is of the same document. */
const int32_t* first_keys(const int32_t* documents, int64_t batch, int64_t time) {
  static thread_local std::vector<int32_t> first;
  first.resize(times(batch, time));
  for (int64_t row = 0; row < batch * time; row += time)
    for (int64_t i = 0, begin = 0; i < time; i++) {
      if (i > 0 && documents[row + i] != documents[row + i - 1]) begin = i;
      first[row + i] = static_cast<int32_t>(begin);
    }
  return first.data();
}

// batch, heads, time, part, rate, key0, key1, first, bf16, documents: what both directions of attention begin with
Attention attention_of(Arguments& in) {
  Attention a = {};
  a.batch = in.size(), a.heads = in.size(), a.time = in.size(), a.part = in.size();
  a.dropout = in.dropout();
  a.precision = in.precision();
  const int32_t* documents = in.optional_integers(times(a.batch, a.time));
  if (documents != nullptr) a.first_keys = first_keys(documents, a.batch, a.time);
  return a;
}

// ..., qkv, y, log sum
void AttentionForward(const Napi::CallbackInfo& info) {
  Arguments in(info);
  Attention a = attention_of(in);
  const int64_t size = times(times(a.batch, a.time), times(a.heads, a.part));
  a.qkv = in.floats(times(3, size));
  a.y = in.floats(size);
  a.log_sum = in.floats(times(times(a.batch, a.heads), a.time));
  kernels().attention(a);
}

// ..., dy, qkv, log sum, dqkv
void AttentionGradient(const Napi::CallbackInfo& info) {
  Arguments in(info);
  Attention a = attention_of(in);
  const int64_t size = times(times(a.batch, a.time), times(a.heads, a.part));
  a.dy = in.floats(size);
  a.qkv = in.floats(times(3, size));
  a.log_sum = in.floats(times(times(a.batch, a.heads), a.time));
  a.dqkv = in.floats(times(3, size));
  kernels().attention_gradient(a);
}

// texts, heads, key-value heads, part, capacity, position, qkv, keys, values, y
void AttentionStep(const Napi::CallbackInfo& info) {
  Arguments in(info);
  NextAttention a = {};
  a.texts = in.size(), a.heads = in.heads(), a.capacity = in.size(), a.position = in.size();
  if (a.position >= a.capacity) in.fail("must be below the capacity");
  const int64_t kept = times(times(a.texts, a.capacity), times(a.heads.keys, a.heads.part));
  a.qkv = in.floats(times(a.texts, row_of(a.heads)));
  a.keys = in.floats(kept);
  a.values = in.floats(kept);
  a.y = in.floats(times(a.texts, times(a.heads.queries, a.heads.part)));
  kernels().next_attention(a);
}

// rows, time, heads, key-value heads, part, cos, sin, qkv, y
void Rotary(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rows = in.size(), time = in.size();
  const Heads heads = in.heads();
  if (heads.part % 2 != 0 || (rows > 0 && (time == 0 || rows % time != 0)))
    throw Napi::TypeError::New(info.Env(), "rotary needs parts of an even width, and rows in steps of time");
  const float* cos = in.floats(times(time, heads.part / 2));
  const float* sin = in.floats(times(time, heads.part / 2));
  const int64_t size = times(rows, row_of(heads));
  const float* qkv = in.floats(size);
  kernels().rotary(rows, time, heads, cos, sin, qkv, in.floats(size));
}

}  // namespace

void add_attention(Exports& exports) {
  exports.add<AttentionForward>("attention");
  exports.add<AttentionGradient>("attentionGradient");
  exports.add<AttentionStep>("nextAttention");
  exports.add<Rotary>("rotary");
}

}  // namespace espalier
