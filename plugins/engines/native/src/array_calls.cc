// TensorFlow.js's array kernels that are not elementwise: copies, reductions, and slices by index.
#include <cstring>
#include <vector>

#include "arguments.h"
#include "calls.h"

namespace espalier {
namespace {

/** Fails if a coordinate's element lies outside an array of that length. */
void check_layout(const Arguments& in, int rank, const int64_t* sizes, const int64_t* strides, int64_t offset,
                  int64_t length) {
  int64_t first = offset, last = offset;
  for (int axis = 0; axis < rank; axis++) {
    if (sizes[axis] < 1) in.fail("has a layout with a size below 1");
    const int64_t end = times(sizes[axis] - 1, strides[axis]);
    (end < 0 ? first : last) += end;
  }
  if (first < 0 || last >= length)
    in.fail("has " + std::to_string(length) + " elements, its layout reaches from " + std::to_string(first) + " to " +
            std::to_string(last));
}

// rank, layout [3 * rank + 2] (sizes, steps in x, steps in y, offsets in x and y), x, y
void Copy(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rank = in.size();
  if (rank > StridedCopy::MOST_AXES) in.fail("is more axes than there can be");
  const int32_t* layout = in.integers(3 * rank + 2, INT32_MIN, INT32_MAX);
  StridedCopy copy = {};
  copy.rank = static_cast<int>(rank);
  for (int64_t axis = 0; axis < rank; axis++) {
    copy.sizes[axis] = layout[axis];
    copy.from[axis] = layout[rank + axis];
    copy.to[axis] = layout[2 * rank + axis];
  }
  const int64_t from = layout[3 * rank], to = layout[3 * rank + 1];
  const Arguments::Array x = in.array();
  check_layout(in, copy.rank, copy.sizes, copy.from, from, x.length);
  const Arguments::Array y = in.array();
  check_layout(in, copy.rank, copy.sizes, copy.to, to, y.length);
  if (x.type != y.type) in.fail("is of another type than what is copied");
  copy.is_byte = x.type == ElementType::truths;
  copy.x = static_cast<const char*>(x.data) + from * (copy.is_byte ? 1 : 4);
  copy.y = static_cast<char*>(y.data) + to * (copy.is_byte ? 1 : 4);
  kernels().strided_copy(copy);
}

/** Returns the bits of a number as an element of that type. */
uint32_t bits_of(const Arguments& in, double value, ElementType type) {
  if (type == ElementType::floats) {
    const float element = static_cast<float>(value);
    uint32_t bits;
    std::memcpy(&bits, &element, sizeof bits);
    return bits;
  }
  if (!(value >= INT32_MIN && value <= INT32_MAX)) in.fail("is of whole numbers, and what it is to hold is not");
  return static_cast<uint32_t>(static_cast<int32_t>(value));
}

// size, value, y
void Fill(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t size = in.size();
  const double value = in.number();
  const Arguments::Array y = in.array(size);
  kernels().fill(size, y.type == ElementType::truths, bits_of(in, value, y.type), y.data);
}

// count, depth, on, off, ids, y
void OneHot(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t count = in.size(), depth = in.size();
  const double on = in.number(), off = in.number();
  const int32_t* ids = in.integers(count, INT32_MIN, INT32_MAX + 1LL);
  const Arguments::Array y = in.array(times(count, depth));
  kernels().one_hot(count, depth, bits_of(in, on, y.type), bits_of(in, off, y.type), ids,
                   y.type == ElementType::truths, y.data);
}

// kind, steps, sizes [steps, 3] (outer, size, inner), scale, x, y
void Reduce(const Napi::CallbackInfo& info) {
  static thread_local std::vector<uint32_t> between[2];
  Arguments in(info);
  Reduction r = {};
  const int64_t kind = in.size();
  if (kind > Reduction::arg_min) in.fail("is no reduction");
  r.kind = static_cast<Reduction::Kind>(kind);
  const bool is_index = r.kind == Reduction::arg_max || r.kind == Reduction::arg_min;
  const bool is_wide = r.kind == Reduction::sum || r.kind == Reduction::product;
  const int64_t steps = in.size();
  if (steps < 1 || (is_index && steps > 1)) in.fail("is no number of steps");
  const int32_t* sizes = in.integers(times(3, steps), 1, INT32_MAX);
  const double scale = in.number();
  int64_t left = times(times(sizes[0], sizes[1]), sizes[2]);
  const Arguments::Array x = in.array(left);
  for (int64_t i = 0; i < steps; i++) {
    const int32_t* step = sizes + 3 * i;
    if (times(times(step[0], step[1]), step[2]) != left) in.fail("does not have the sizes that a step leaves");
    left = times(step[0], step[2]);
  }
  const Arguments::Array y = in.array(left);
  const ElementType wanted =
      is_index || (is_wide && x.type != ElementType::floats) ? ElementType::integers : x.type;
  const bool to_floats = is_wide && y.type == ElementType::floats;
  if (!to_floats && y.type != wanted) in.fail("is of another type than the reduction's");
  r.x = x.data, r.type = x.type;
  for (int64_t i = 0; i < steps; i++) {
    const int32_t* step = sizes + 3 * i;
    const bool is_last = i == steps - 1;
    r.outer = step[0], r.size = step[1], r.inner = step[2];
    r.scale = is_last ? scale : 1, r.to_floats = is_last && to_floats;
    if (!is_last) between[i % 2].resize(static_cast<size_t>(r.outer * r.inner));
    r.y = is_last ? y.data : between[i % 2].data();
    kernels().reduce(r);
    r.x = r.y, r.type = wanted;
  }
}

// rows, columns, x, y
void Softmax(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rows = in.size(), columns = in.size(), size = times(rows, columns);
  const float* x = in.floats(size);
  kernels().softmax(rows, columns, x, in.floats(size));
}

// product or sum, exclusive, reverse, outer, size, inner, x, y
void RunningAlong(const Napi::CallbackInfo& info) {
  Arguments in(info);
  Running r = {};
  r.is_product = in.flag(), r.is_exclusive = in.flag(), r.is_reverse = in.flag();
  r.outer = in.size(), r.size = in.size(), r.inner = in.size();
  const int64_t size = times(r.outer, times(r.size, r.inner));
  const Arguments::Array x = in.array(size);
  if (x.type == ElementType::truths) in.fail("must be numbers");
  r.x = x.data, r.type = x.type;
  r.y = in.array(size, x.type);
  kernels().running(r);
}

// rows, columns, k, x, values, indices
void TopK(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t rows = in.size(), columns = in.size(), k = in.size();
  if (k > columns || columns > INT32_MAX) in.fail("must be no more than there are columns");
  const Arguments::Array x = in.array(times(rows, columns));
  if (x.type == ElementType::truths) in.fail("must be numbers");
  void* values = in.array(times(rows, k), x.type);
  auto* indices = static_cast<int32_t*>(in.array(times(rows, k), ElementType::integers));
  kernels().top_k(rows, columns, k, x.type, x.data, values, indices);
}

// batch, outer, size, count, slice, ids, x, y
void GatherSlices(const Napi::CallbackInfo& info) {
  Arguments in(info);
  Gather g = {};
  g.batch = in.size(), g.outer = in.size(), g.size = in.size(), g.count = in.size(), g.slice = in.size();
  g.ids = in.integers(times(g.batch, g.count), 0, g.size);
  const int64_t lines = times(times(g.batch, g.outer), g.slice);
  const Arguments::Array x = in.array(times(lines, g.size));
  g.x = x.data, g.is_byte = x.type == ElementType::truths;
  g.y = in.array(times(lines, g.count), x.type);
  if (lines > 0) kernels().gather(g);
}

/** Returns the index of the slice that each of ids [count, depth] names within sizes [depth]; -1 for ids to skip. */
const int32_t* slices_of(Arguments& in, int64_t count, int64_t depth, const int32_t* sizes, int64_t slices,
                         bool leaves_out) {
  const int32_t* ids = in.integers(times(count, depth), INT32_MIN, INT32_MAX + 1LL);
  if (slices > INT32_MAX) in.fail("names more slices than there can be");
  static thread_local std::vector<int32_t> found;
  found.resize(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; i++) {
    int64_t slice = 0;
    for (int64_t axis = 0; axis < depth; axis++) slice = slice * sizes[axis] + ids[i * depth + axis];
    const bool is_there = slice >= 0 && slice < slices;
    if (!is_there && !leaves_out) in.fail("names at " + std::to_string(i) + " a slice that is not there");
    found[static_cast<size_t>(i)] = is_there ? static_cast<int32_t>(slice) : -1;
  }
  return found.data();
}

// count, depth, sizes [depth], slice, ids [count, depth], x, y
void GatherNd(const Napi::CallbackInfo& info) {
  Arguments in(info);
  Gather g = {};
  g.batch = g.outer = 1;
  g.count = in.size();
  const int64_t depth = in.size();
  const int32_t* sizes = in.integers(depth, 0, INT32_MAX);
  g.size = 1;
  for (int64_t axis = 0; axis < depth; axis++) g.size = times(g.size, sizes[axis]);
  g.slice = in.size();
  g.ids = slices_of(in, g.count, depth, sizes, g.size, false);
  const Arguments::Array x = in.array(times(g.size, g.slice));
  g.x = x.data, g.is_byte = x.type == ElementType::truths;
  g.y = in.array(times(g.count, g.slice), x.type);
  kernels().gather(g);
}

// add or write, skip ids out of range, count, depth, sizes [depth], slice, ids, x, y
void ScatterSlices(const Napi::CallbackInfo& info) {
  Arguments in(info);
  Scatter s = {};
  s.kind = in.flag() ? Scatter::add : Scatter::put;
  const bool leaves_out = in.flag();
  s.count = in.size();
  const int64_t depth = in.size();
  const int32_t* sizes = in.integers(depth, 0, INT32_MAX);
  s.rows = 1;
  for (int64_t axis = 0; axis < depth; axis++) s.rows = times(s.rows, sizes[axis]);
  s.slice = in.size();
  s.ids = slices_of(in, s.count, depth, sizes, s.rows, leaves_out);
  const Arguments::Array x = in.array(times(s.count, s.slice));
  s.x = x.data, s.type = x.type;
  s.y = in.array(times(s.rows, s.slice), x.type);
  kernels().scatter(s);
}

}  // namespace

void add_arrays(Exports& exports) {
  exports.add<Copy>("copy");
  exports.add<Fill>("fill");
  exports.add<OneHot>("oneHot");
  exports.add<Reduce>("reduce");
  exports.add<Softmax>("softmax");
  exports.add<RunningAlong>("running");
  exports.add<TopK>("topK");
  exports.add<GatherSlices>("gather");
  exports.add<GatherNd>("gatherNd");
  exports.add<ScatterSlices>("scatter");
}

}  // namespace espalier
