// Elementwise operations, in the order of their codes.
#pragma once

#include <cstdint>

#include "element_type.h"

namespace espalier {

/**
 * Elements are 32 bits: floats, booleans as the floats 0 and 1, or integers for names ending in Ints.
 * The second argument is the number of operands. p and q are an instruction's two parameters.
 */
#define ESPALIER_ELEMENTWISE(X)                                                                                     \
  X(copy, 1) X(neg, 1) X(abs, 1) X(exp, 1) X(expm1, 1) X(log, 1) X(log1p, 1) X(sqrt, 1) X(rsqrt, 1) X(square, 1)     \
  X(reciprocal, 1) X(relu, 1) X(relu6, 1) X(leakyRelu, 1) X(elu, 1) X(selu, 1) X(softplus, 1) X(sigmoid, 1)          \
  X(tanh, 1) X(erf, 1) X(sin, 1) X(cos, 1) X(floor, 1) X(ceil, 1) X(round, 1) X(sign, 1) X(step, 1) X(clip, 1)       \
  X(isNan, 1) X(isFinite, 1) X(isInf, 1) X(logicalNot, 1) X(add, 2) X(sub, 2) X(mul, 2) X(div, 2) X(floorDiv, 2)     \
  X(mod, 2) X(pow, 2) X(maximum, 2) X(minimum, 2) X(squaredDifference, 2) X(prelu, 2) X(eluGrad, 2) X(equal, 2)      \
  X(notEqual, 2) X(less, 2) X(lessEqual, 2) X(greater, 2) X(greaterEqual, 2) X(logicalAnd, 2) X(logicalOr, 2)        \
  X(select, 3) X(negInts, 1) X(absInts, 1) X(addInts, 2) X(subInts, 2) X(mulInts, 2) X(floorDivInts, 2) X(modInts, 2) \
  X(maximumInts, 2) X(minimumInts, 2) X(equalInts, 2) X(notEqualInts, 2) X(lessInts, 2) X(lessEqualInts, 2) X(greaterInts, 2)          \
  X(greaterEqualInts, 2) X(floatsOfInts, 1) X(intsOfFloats, 1) X(truthsOfInts, 1) X(truths, 1) X(constant, 0)

constexpr int ELEMENTWISE_ARITY[] = {
#define ESPALIER_ARITY(name, arity) arity,
    ESPALIER_ELEMENTWISE(ESPALIER_ARITY)
#undef ESPALIER_ARITY
};

constexpr const char* ELEMENTWISE_NAMES[] = {
#define ESPALIER_NAME(name, arity) #name,
    ESPALIER_ELEMENTWISE(ESPALIER_NAME)
#undef ESPALIER_NAME
};

constexpr int ELEMENTWISE_COUNT = sizeof ELEMENTWISE_ARITY / sizeof *ELEMENTWISE_ARITY;

/**
 * Row operations, with the number of registers each reads. Per-row data has a register's `columns` elements per row; an
 * operation's parameter is the factor of a sum, or the first column of a part.
 */
#define ESPALIER_ROW_STEPS(X) \
  X(sumOfRow, 1) X(largestOfRow, 1) X(spread, 1) X(softmaxOfRow, 1) X(partOfRow, 1) X(joinedRows, 2)

enum RowStepCode : int {
#define ESPALIER_CODE(name, reads) row_step_##name,
  ESPALIER_ROW_STEPS(ESPALIER_CODE)
#undef ESPALIER_CODE
  ROW_STEP_COUNT
};

constexpr const char* ROW_STEP_NAMES[] = {
#define ESPALIER_NAME(name, reads) #name,
    ESPALIER_ROW_STEPS(ESPALIER_NAME)
#undef ESPALIER_NAME
};

/** An input tensor: element i of the result reads the element at Σ coordinate of i in `sizes` * stride. */
struct ElementwiseInput {
  const void* data;
  ElementType type;
  int rank;
  const int32_t *sizes, *strides;
  int64_t columns;  // elements of each row
};

struct ElementwiseStep {
  bool is_along_rows;
  int code, to, from[3];
  int64_t columns, from_columns[2];  // elements of each row that it writes, and reads
  union {
    struct {
      float p, q;
    };
    double number;  // of a step along rows
  };
};

struct ElementwiseOutput {
  void* data;
  ElementType type;
  int from;
  int64_t columns;
};

/**
 * Steps over registers that hold a block of rows each, with the register's `columns` elements per row (1 if no step
 * goes along rows). The first registers are the inputs, in order; each other one is written by one step at a time. An
 * output's register is written once.
 */
struct ElementwiseProgram {
  int64_t rows, most_columns;
  int inputs, steps, outputs, registers;
  const ElementwiseInput* input;
  const ElementwiseStep* step;
  const ElementwiseOutput* output;
};

}  // namespace espalier
