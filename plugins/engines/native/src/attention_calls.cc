// Attention over queries, keys and values side by side, rotary positions and query-key norm.
#include "arguments.h"
#include "calls.h"

#include <vector>

namespace espalier {
namespace {

/** Heads::width with overflow checks; the sum cannot overflow, since sizes are below 2^53. */
int64_t row_of(const Heads& heads) { return times(heads.part, heads.queries + 2 * heads.keys); }

/** Returns, for each position of [batch, time], the first position of its row in the same document. */
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

// Reads the arguments of both directions: batch, heads, key-value heads, part, time, rate, key0, key1, first, bf16,
// documents
Attention attention_of(Arguments& in) {
  Attention a = {};
  a.batch = in.size(), a.heads = in.heads(), a.time = in.size();
  a.dropout = in.dropout();
  a.precision = in.precision();
  const int32_t* documents = in.optional_integers(times(a.batch, a.time));
  if (documents != nullptr) a.first_keys = first_keys(documents, a.batch, a.time);
  return a;
}

int64_t output_size(const Attention& a) {
  return times(times(a.batch, a.time), times(a.heads.queries, a.heads.part));
}

// ..., qkv, y, log sum
void AttentionForward(const Napi::CallbackInfo& info) {
  Arguments in(info);
  Attention a = attention_of(in);
  a.qkv = in.floats(times(times(a.batch, a.time), row_of(a.heads)));
  a.y = in.floats(output_size(a));
  a.log_sum = in.floats(times(times(a.batch, a.heads.queries), a.time));
  kernels().attention(a);
}

// ..., dy, qkv, log sum, dqkv
void AttentionGradient(const Napi::CallbackInfo& info) {
  Arguments in(info);
  Attention a = attention_of(in);
  const int64_t size = times(times(a.batch, a.time), row_of(a.heads));
  a.dy = in.floats(output_size(a));
  a.qkv = in.floats(size);
  a.log_sum = in.floats(times(times(a.batch, a.heads.queries), a.time));
  a.dqkv = in.floats(size);
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

// rows, heads, key-value heads, part, epsilon, qkv, query weight, key weight, y
void QueryKeyNorm(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rows = in.size();
  const Heads heads = in.heads();
  const double epsilon = in.number();
  const int64_t size = times(rows, row_of(heads));
  const float *qkv = in.floats(size), *query_weight = in.floats(heads.part), *key_weight = in.floats(heads.part);
  kernels().query_key_norm(rows, heads, qkv, query_weight, key_weight, epsilon, in.floats(size));
}

// rows, heads, key-value heads, part, epsilon, dy, qkv, query weight, key weight, dqkv, dquery weight, dkey weight
void QueryKeyNormGradient(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rows = in.size();
  const Heads heads = in.heads();
  const double epsilon = in.number();
  const int64_t size = times(rows, row_of(heads));
  const float *dy = in.floats(size), *qkv = in.floats(size);
  const float *query_weight = in.floats(heads.part), *key_weight = in.floats(heads.part);
  float *dqkv = in.floats(size), *dquery_weight = in.floats(heads.part), *dkey_weight = in.floats(heads.part);
  kernels().query_key_norm_gradient(rows, heads, dy, qkv, query_weight, key_weight, epsilon, dqkv, dquery_weight,
                                    dkey_weight);
}

}  // namespace

void add_attention(Exports& exports) {
  exports.add<AttentionForward>("attention");
  exports.add<AttentionGradient>("attentionGradient");
  exports.add<AttentionStep>("nextAttention");
  exports.add<Rotary>("rotary");
  exports.add<QueryKeyNorm>("queryKeyNorm");
  exports.add<QueryKeyNormGradient>("queryKeyNormGradient");
}

}  // namespace espalier
