// Elementwise operations: the interpreter of programs, and the few that fused operations call by name.
#include <cstring>
#include <vector>

#include "arguments.h"
#include "calls.h"

namespace espalier {
namespace {

/** Reads the plan of an elementwise program: whole numbers, each within its bounds. */
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

/** How many elements an input has at least, for all coordinates to be within it. */
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

/** Which registers have whole rows, or elements that are of no row, and which an element of each row. */
class Widths {
 public:
  Widths(const Arguments& in, int registers) : in_(in) { of_rows_.assign(static_cast<size_t>(registers), unknown); }

  void write(int at, bool is_of_rows) {
    auto& found = of_rows_[static_cast<size_t>(at)];
    if (found != unknown && found != is_of_rows) in_.fail("is no plan: a register is of rows and of elements");
    found = is_of_rows;
  }

  void read(int at, bool is_of_rows) const {
    if (of_rows_[static_cast<size_t>(at)] != is_of_rows)
      in_.fail("is no plan: what is read was not written, or in another width");
  }

 private:
  static constexpr signed char unknown = -1;
  const Arguments& in_;
  std::vector<signed char> of_rows_;
};

ElementwiseStep step_of(Plan& plan, const ElementwiseProgram& program, Widths& widths) {
  ElementwiseStep step = {};
  step.kind = static_cast<ElementwiseStep::Kind>(plan.next(0, program.columns > 0 ? 3 : 1));
  const bool is_along = step.kind == ElementwiseStep::along_rows;
  step.code = plan.next(0, is_along ? ROW_STEP_COUNT : ELEMENTWISE_COUNT);
  step.to = plan.next(program.inputs, program.registers);
  for (int& from : step.from) from = plan.next(0, program.registers);
  const int32_t* words = plan.some(2);
  if (is_along) std::memcpy(&step.factor, words, sizeof step.factor);
  else std::memcpy(&step.p, words, sizeof step.p), std::memcpy(&step.q, words + 1, sizeof step.q);
  const bool of_rows = step.kind == ElementwiseStep::each_of_rows;
  const int reads = is_along ? 1 : ELEMENTWISE_ARITY[step.code];
  for (int i = 0; i < reads; i++)
    widths.read(step.from[i], is_along ? !ROW_STEP_FORMS[step.code].reads_rows : of_rows);
  widths.write(step.to, is_along ? !ROW_STEP_FORMS[step.code].writes_rows : of_rows);
  return step;
}

// plan, then the inputs' and the outputs' arrays. The plan: size, columns or 0, registers, inputs, steps, outputs; of each
// input whether it is of rows, type, rank, sizes, strides; of each step kind, code, to, three registers to read, p, q; of
// each output whether it is of rows, type, register.
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
  program.size = plan.next(0, INT32_MAX);
  program.columns = plan.next(0, 1 << 16);
  if (program.columns > 0 && program.size % program.columns != 0) in.fail("is no plan: its elements are no whole rows");
  program.registers = plan.next(1, most);
  inputs.resize(program.inputs = plan.next(0, program.registers));
  steps.resize(program.steps = plan.next(0, most));
  outputs.resize(program.outputs = plan.next(0, program.registers + 1));
  if (program.size == 0) return;
  const int flags = program.columns > 0 ? 2 : 1;
  const auto size_of = [&](const auto& part) { return part.is_of_rows ? program.size / program.columns : program.size; };
  Widths widths(in, program.registers);
  for (int i = 0; i < program.inputs; i++) {
    ElementwiseInput& input = inputs[static_cast<size_t>(i)];
    input.is_of_rows = plan.next(0, flags) == 1;
    input.type = static_cast<ElementType>(plan.next(0, 3));
    input.rank = plan.next(1, 9);
    input.sizes = plan.some(input.rank), input.strides = plan.some(input.rank);
    widths.write(i, input.is_of_rows);
  }
  for (ElementwiseStep& step : steps) step = step_of(plan, program, widths);
  for (ElementwiseOutput& output : outputs) {
    output.is_of_rows = plan.next(0, flags) == 1;
    output.type = static_cast<ElementType>(plan.next(0, 3));
    output.from = plan.next(program.inputs, program.registers);
    widths.read(output.from, output.is_of_rows);
  }
  for (ElementwiseInput& input : inputs)
    input.data = in.elements_of(input.type, extent_of(in, input, size_of(input)));
  for (ElementwiseOutput& output : outputs) output.data = in.elements_of(output.type, size_of(output));
  program.input = inputs.data(), program.step = steps.data(), program.output = outputs.data();
  kernels().elementwise(program);
}

// -> the names of the operations, in the order of their numbers
Napi::Value ElementwiseNames(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  for (int i = 0; i < ELEMENTWISE_COUNT; i++) names[static_cast<uint32_t>(i)] = ELEMENTWISE_NAMES[i];
  return names;
}

// -> those of the steps along rows
Napi::Value RowStepNames(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  for (int i = 0; i < ROW_STEP_COUNT; i++) names[static_cast<uint32_t>(i)] = ROW_STEP_FORMS[i].name;
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
