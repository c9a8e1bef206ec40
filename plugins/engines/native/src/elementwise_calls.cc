// Elementwise operations: the interpreter of programs, and the few that fused operations call directly.
#include <algorithm>
#include <cstring>
#include <vector>

#include "arguments.h"
#include "calls.h"

namespace espalier {
namespace {

/** Reads the plan of an elementwise program: integers, each within its bounds. */
class Plan {
 public:
  Plan(const Arguments& in, const int32_t* words, size_t count) : in_(in), next_(words), end_(words + count) {}

  int32_t next(int32_t low, int32_t high) {
    const int32_t* word = some(1);
    if (*word < low || *word >= high) in_.fail("is no plan: it holds " + std::to_string(*word));
    return *word;
  }

  const int32_t* some(int count) {
    if (end_ - next_ < count) in_.fail("is no plan: it is too short");
    const int32_t* words = next_;
    next_ += count;
    return words;
  }

 private:
  const Arguments& in_;
  const int32_t *next_, *end_;
};

/** Returns the minimum length of an input so that every coordinate is within it. */
int64_t extent_of(const Arguments& in, const ElementwiseInput& input, int64_t size) {
  int64_t product = 1, last = 0;
  for (int axis = 0; axis < input.rank; axis++) {
    if (input.sizes[axis] < 1 || input.strides[axis] < 0) in.fail("is no plan: a size or stride is negative");
    product = times(product, input.sizes[axis]);
    last += times(input.sizes[axis] - 1, input.strides[axis]);
  }
  if (product != size) in.fail("is no plan: the sizes of an input are not those of the result");
  return last + 1;
}

/** Exclusive limit of the elements per row. */
constexpr int MOST_COLUMNS = 1 << 16;

/** The number of elements per row in each register. */
class Widths {
 public:
  Widths(const Arguments& in, int registers) : in_(in) { columns_.assign(static_cast<size_t>(registers), 0); }

  void write(int at, int64_t columns) {
    int64_t& found = columns_[static_cast<size_t>(at)];
    if (found != 0 && found != columns) in_.fail("is no plan: a register is of two widths");
    found = columns;
  }

  int64_t read(int at) const {
    const int64_t columns = columns_[static_cast<size_t>(at)];
    if (columns == 0) in_.fail("is no plan: what is read was not written");
    return columns;
  }

  void read(int at, int64_t columns) const {
    if (read(at) != columns) in_.fail("is no plan: what is read has another width");
  }

 private:
  const Arguments& in_;
  std::vector<int64_t> columns_;
};

/** Returns whether a row operation's output width matches the widths that it reads. */
bool is_fitting(const ElementwiseStep& step) {
  const auto& [first, second] = step.from_columns;
  switch (step.code) {
    case row_step_sumOfRow:
    case row_step_largestOfRow: return step.columns == 1;
    case row_step_spread: return first == 1;
    case row_step_softmaxOfRow: return step.columns == first;
    case row_step_partOfRow: return step.number >= 0 && step.number + static_cast<double>(step.columns) <= static_cast<double>(first);
    default: return step.columns == first + second;
  }
}

ElementwiseStep step_of(const Arguments& in, Plan& plan, const ElementwiseProgram& program, Widths& widths) {
  constexpr int most = 3;
  ElementwiseStep step = {};
  step.is_along_rows = plan.next(0, 2) == 1;
  step.code = plan.next(0, step.is_along_rows ? static_cast<int>(ROW_STEP_COUNT) : ELEMENTWISE_COUNT);
  step.to = plan.next(program.inputs, program.registers);
  for (int& from : step.from) from = plan.next(0, program.registers);
  step.columns = plan.next(1, MOST_COLUMNS);
  const int32_t* words = plan.some(2);
  if (step.is_along_rows) std::memcpy(&step.number, words, sizeof step.number);
  else std::memcpy(&step.p, words, sizeof step.p), std::memcpy(&step.q, words + 1, sizeof step.q);
  if (step.is_along_rows) {
    for (int i = 0; i < 2; i++) step.from_columns[i] = widths.read(step.from[i]);
    if (!is_fitting(step)) in.fail("is no plan: a step along rows is of other widths");
  } else {
    for (int i = 0; i < most && i < ELEMENTWISE_ARITY[step.code]; i++) widths.read(step.from[i], step.columns);
  }
  widths.write(step.to, step.columns);
  return step;
}

// plan, then the inputs' and the outputs' arrays. The plan: rows, registers, inputs, steps, outputs; of each input its
// elements of a row, type, rank, sizes, strides; of each step whether it goes along rows, code, to, three registers to read,
// the elements of a row that it writes, p, q; of each output its elements of a row, type, register.
void Elementwise(const Napi::CallbackInfo& info) {
  constexpr int most = 256;
  static thread_local std::vector<ElementwiseInput> inputs;
  static thread_local std::vector<ElementwiseStep> steps;
  static thread_local std::vector<ElementwiseOutput> outputs;
  Arguments in(info);
  size_t count;
  const int32_t* words = in.words(count);
  Plan plan(in, words, count);
  ElementwiseProgram program = {};
  program.rows = plan.next(0, INT32_MAX);
  program.registers = plan.next(1, most);
  inputs.resize(program.inputs = plan.next(0, program.registers));
  steps.resize(program.steps = plan.next(0, most));
  outputs.resize(program.outputs = plan.next(0, program.registers + 1));
  if (program.rows == 0) return;
  program.most_columns = 1;
  const auto note = [&](int64_t columns) { program.most_columns = std::max(program.most_columns, columns); };
  Widths widths(in, program.registers);
  for (int i = 0; i < program.inputs; i++) {
    ElementwiseInput& input = inputs[static_cast<size_t>(i)];
    input.columns = plan.next(1, MOST_COLUMNS);
    input.type = static_cast<ElementType>(plan.next(0, 3));
    input.rank = plan.next(1, 9);
    input.sizes = plan.some(input.rank), input.strides = plan.some(input.rank);
    widths.write(i, input.columns);
    note(input.columns);
  }
  for (ElementwiseStep& step : steps) note((step = step_of(in, plan, program, widths)).columns);
  for (ElementwiseOutput& output : outputs) {
    output.columns = plan.next(1, MOST_COLUMNS);
    output.type = static_cast<ElementType>(plan.next(0, 3));
    output.from = plan.next(program.inputs, program.registers);
    widths.read(output.from, output.columns);
  }
  for (ElementwiseInput& input : inputs)
    input.data = in.elements_of(input.type, extent_of(in, input, times(program.rows, input.columns)));
  for (ElementwiseOutput& output : outputs)
    output.data = in.elements_of(output.type, times(program.rows, output.columns));
  program.input = inputs.data(), program.step = steps.data(), program.output = outputs.data();
  kernels().elementwise(program);
}

// -> names of the elementwise operations, indexed by code
Napi::Value ElementwiseNames(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  for (int i = 0; i < ELEMENTWISE_COUNT; i++) names[static_cast<uint32_t>(i)] = ELEMENTWISE_NAMES[i];
  return names;
}

// -> names of the row operations, indexed by code
Napi::Value RowStepNames(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  for (int i = 0; i < ROW_STEP_COUNT; i++) names[static_cast<uint32_t>(i)] = ROW_STEP_NAMES[i];
  return names;
}

// outer, inner, a, b, y
void Add(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t outer = in.size(), inner = in.size();
  const float *a = in.floats(times(outer, inner)), *b = in.floats(inner);
  kernels().add(outer, inner, a, b, in.floats(times(outer, inner)));
}

// size, scale, a, b, y
void AddScaled(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t size = in.size();
  const float scale = static_cast<float>(in.number());
  const float *a = in.floats(size), *b = in.floats(size);
  kernels().add_scaled(size, a, b, scale, in.floats(size));
}

// size, scale [1], x, y
void Scale(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t size = in.size();
  const float scale = *in.floats(1);
  const float* x = in.floats(size);
  kernels().scale(size, x, scale, in.floats(size));
}

// outer, inner, x, y
void SumOuter(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const int64_t outer = in.size(), inner = in.size();
  const float* x = in.floats(times(outer, inner));
  kernels().sum_outer(outer, inner, x, in.floats(inner));
}

}  // namespace

void add_elementwise(Exports& exports) {
  exports.add<Elementwise>("elementwise");
  exports.add<ElementwiseNames>("elementwiseNames");
  exports.add<RowStepNames>("rowStepNames");
  exports.add<Add>("add");
  exports.add<AddScaled>("addScaled");
  exports.add<Scale>("scale");
  exports.add<SumOuter>("sumOuter");
}

}  // namespace espalier
