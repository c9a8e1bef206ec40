// Runs a chain of elementwise operations block by block, so that intermediate results stay in the first-level cache.
#pragma once

#include "elementwise_ops.h"
#include "row_steps.h"
#include "scratch.h"
#include "threads.h"

namespace espalier {
namespace ESPALIER_VARIANT {

/** Elements per block: 4 KiB of each register. */
constexpr int64_t BLOCK = 1024;

/**
 * Padding between registers: not a multiple of a page, because a load would wait for a store at the same page offset.
 */
constexpr int64_t BETWEEN_REGISTERS = 32;

/** How an input comes into its register. */
enum class Reading { in_place, once, each_block };

/** Reads an input in the order of the result's elements. */
class ElementwiseReader {
 public:
  explicit ElementwiseReader(const ElementwiseInput& input) : input_(input) {}

  /** Reads `count` elements from index `first` on. */
  void read(int64_t first, int64_t count, float* to) const {
    const int last = input_.rank - 1;
    int64_t place[MOST_AXES], offset = 0, rest = first;
    for (int axis = last; axis >= 0; axis--) {
      place[axis] = rest % input_.sizes[axis];
      rest /= input_.sizes[axis];
      offset += place[axis] * input_.strides[axis];
    }
    while (count > 0) {
      const int64_t left = input_.sizes[last] - place[last], n = left < count ? left : count;
      row(offset, input_.strides[last], n, to);
      to += n, count -= n;
      if (count == 0) return;
      offset -= place[last] * input_.strides[last];
      place[last] = 0;
      for (int axis = last - 1; axis >= 0; axis--) {
        offset += input_.strides[axis];
        if (++place[axis] < input_.sizes[axis]) break;
        offset -= static_cast<int64_t>(input_.sizes[axis]) * input_.strides[axis];
        place[axis] = 0;
      }
    }
  }

  static constexpr int MOST_AXES = 8;

 private:
  void row(int64_t offset, int64_t stride, int64_t n, float* to) const {
    if (input_.type == ElementType::truths) {
      const uint8_t* from = static_cast<const uint8_t*>(input_.data) + offset;
      if (stride == 1) for (int64_t i = 0; i < n; i++) to[i] = from[i] != 0 ? 1.0f : 0.0f;
      else for (int64_t i = 0; i < n; i++) to[i] = from[i * stride] != 0 ? 1.0f : 0.0f;
      return;
    }
    const float* from = static_cast<const float*>(input_.data) + offset;
    if (stride == 1) std::memcpy(to, from, sizeof(float) * n);
    else if (stride == 0) for (int64_t i = 0; i < n; i++) std::memcpy(to + i, from, sizeof(float));
    else for (int64_t i = 0; i < n; i++) std::memcpy(to + i, from + i * stride, sizeof(float));
  }

  const ElementwiseInput& input_;
};

/** Returns after how many elements the input repeats; 0 if it does not. */
inline int64_t period_of(const ElementwiseInput& input) {
  int axis = 0;
  while (axis < input.rank && input.strides[axis] == 0) axis++;
  if (axis == 0) return 0;
  int64_t period = 1;
  for (int i = axis; i < input.rank; i++) period *= input.sizes[i];
  return period;
}

/** Returns the rows per block. */
inline int64_t block_of(const ElementwiseProgram& program) {
  if (program.most_columns > 1) return program.most_columns > BLOCK ? 1 : BLOCK / program.most_columns;
  for (int i = 0; i < program.inputs; i++) {
    const int64_t period = period_of(program.input[i]);
    if (period > 1 && period <= BLOCK) return BLOCK / period * period;
  }
  return BLOCK;
}

inline Reading reading_of(const ElementwiseInput& input, int64_t block) {
  if (input.rank == 1 && input.strides[0] == 1 && input.type != ElementType::truths) return Reading::in_place;
  const int64_t period = period_of(input);
  return period > 0 && block % period == 0 ? Reading::once : Reading::each_block;
}

inline void run_step(const ElementwiseStep& step, int64_t rows, float** registers) {
  float *to = registers[step.to], *from = registers[step.from[0]], *other = registers[step.from[1]];
  if (step.is_along_rows) return ROW_STEPS[step.code](step, rows, from, other, to);
  ELEMENTWISE_OPS[step.code](rows * step.columns, from, other, registers[step.from[2]], step.p, step.q, to);
}

inline void run_elementwise(const ElementwiseProgram& program) {
  const int64_t block = block_of(program), blocks = (program.rows + block - 1) / block;
  const int64_t elements = block * program.most_columns;
  const int64_t apart = (elements > BLOCK ? elements : BLOCK) + BETWEEN_REGISTERS;
  parallel(blocks, elements * (program.steps + 1), [&](int64_t begin, int64_t end) {
    static thread_local Scratch scratch;
    float* memory = scratch.get<float>((apart + 2) * program.registers);
    float** registers = reinterpret_cast<float**>(memory + apart * program.registers);
    for (int i = 0; i < program.registers; i++) registers[i] = memory + apart * i;
    for (int64_t number = begin; number < end; number++) {
      const int64_t first = number * block, left = program.rows - first, rows = left < block ? left : block;
      for (int i = 0; i < program.inputs; i++) {
        const ElementwiseInput& input = program.input[i];
        const Reading reading = reading_of(input, block * input.columns);
        if (reading == Reading::in_place)
          registers[i] = const_cast<float*>(static_cast<const float*>(input.data)) + first * input.columns;
        else if (reading == Reading::each_block || number == begin)
          ElementwiseReader(input).read(first * input.columns, rows * input.columns, registers[i]);
      }
      for (int i = 0; i < program.outputs; i++) {
        const ElementwiseOutput& output = program.output[i];
        if (output.type != ElementType::truths)
          registers[output.from] = static_cast<float*>(output.data) + first * output.columns;
      }
      for (int i = 0; i < program.steps; i++) run_step(program.step[i], rows, registers);
      for (int i = 0; i < program.outputs; i++) {
        const ElementwiseOutput& output = program.output[i];
        if (output.type != ElementType::truths) continue;
        uint8_t* to = static_cast<uint8_t*>(output.data) + first * output.columns;
        for (int64_t j = 0; j < rows * output.columns; j++) to[j] = registers[output.from][j] != 0.0f;
      }
    }
  });
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
