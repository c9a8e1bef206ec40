// The operations that compute each element from elements at its place, in the order of their numbers.
#pragma once

#include <cstdint>

#include "element_type.h"

namespace espalier {

/**
 * Elements are 32 bits: floats, truths as the floats 0 and 1, or, for names with Ints, integers.
 * The second argument is how many elements each reads. p and q: an instruction's own two numbers.
 */
#define ESPALIER_ELEMENTWISE(X)                                                                                     \
  X(copy, 1) X(neg, 1) X(abs, 1) X(exp, 1) X(expm1, 1) X(log, 1) X(log1p, 1) X(sqrt, 1) X(rsqrt, 1) X(square, 1)     \
  X(reciprocal, 1) X(relu, 1) X(relu6, 1) X(leakyRelu, 1) X(elu, 1) X(selu, 1) X(softplus, 1) X(sigmoid, 1)          \
  X(tanh, 1) X(erf, 1) X(sin, 1) X(cos, 1) X(floor, 1) X(ceil, 1) X(round, 1) X(sign, 1) X(step, 1) X(clip, 1)       \
  X(isNan, 1) X(isFinite, 1) X(isInf, 1) X(logicalNot, 1) X(add, 2) X(sub, 2) X(mul, 2) X(div, 2) X(floorDiv, 2)     \
  X(mod, 2) X(pow, 2) X(maximum, 2) X(minimum, 2) X(squaredDifference, 2) X(prelu, 2) X(eluGrad, 2) X(equal, 2)      \
  X(notEqual, 2) X(less, 2) X(lessEqual, 2) X(greater, 2) X(greaterEqual, 2) X(logicalAnd, 2) X(logicalOr, 2)        \
  X(select, 3) X(negInts, 1) X(absInts, 1) X(addInts, 2) X(subInts, 2) X(mulInts, 2) X(floorDivInts, 2)              \
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

/** Steps along rows: whether each reads, and writes, whole rows or an element of each. p and q: a sum's factor, a double. */
#define ESPALIER_ROW_STEPS(X) \
  X(sumOfRow, true, false) X(largestOfRow, true, false) X(spread, false, true) X(softmaxOfRow, true, true)

struct RowStepForm {
  const char* name;
  bool reads_rows, writes_rows;
};

constexpr RowStepForm ROW_STEP_FORMS[] = {
#define ESPALIER_FORM(name, reads, writes) {#name, reads, writes},
    ESPALIER_ROW_STEPS(ESPALIER_FORM)
#undef ESPALIER_FORM
};

constexpr int ROW_STEP_COUNT = sizeof ROW_STEP_FORMS / sizeof *ROW_STEP_FORMS;

/** A tensor that is read: element i of the result's is at the sum of its coordinates in `sizes`, times the strides. */
struct ElementwiseInput {
  const void* data;
  ElementType type;
  int rank;
  const int32_t *sizes, *strides;
  bool is_of_rows;  // it has an element of each row, as do those who read it
};

struct ElementwiseStep {
  enum Kind : int32_t { each, each_of_rows, along_rows };  // elements; those that are one of each row; ROW_STEPS
  Kind kind;
  int code, to, from[3];
  union {
    struct {
      float p, q;
    };
    double factor;  // of a step along rows
  };
};

struct ElementwiseOutput {
  void* data;
  ElementType type;
  int from;
  bool is_of_rows;
};

/**
 * Steps over registers that hold a block of elements each, or an element of each of the block's rows. Registers 0 ... are
 * the inputs, in order; each other one is written by one step at a time. An output's register is written once.
 */
struct ElementwiseProgram {
  int64_t size;
  int64_t columns;  // of the rows that blocks are made of; 0: there are no rows
  int inputs, steps, outputs, registers;
  const ElementwiseInput* input;
  const ElementwiseStep* step;
  const ElementwiseOutput* output;
};

}  // namespace espalier
