// Compiled once per instruction set, named by ESPALIER_VARIANT.
#include "activation.h"
#include "attention.h"
#include "attention_gradient.h"
#include "cross_entropy.h"
#include "elementwise.h"
#include "elementwise_program.h"
#include "indexed.h"
#include "kept_product.h"
#include "layer_norm.h"
#include "next_attention.h"
#include "optimizer.h"
#include "product.h"
#include "query_key_norm.h"
#include "random_mask.h"
#include "reduce.h"
#include "rms_norm.h"
#include "rotary.h"
#include "strided_copy.h"

#define ESPALIER_TEXT_OF(name) #name
#define ESPALIER_TEXT(name) ESPALIER_TEXT_OF(name)

namespace espalier {
namespace ESPALIER_VARIANT {

const Kernels& kernels() {
  static const Kernels all = {ESPALIER_TEXT(ESPALIER_VARIANT),
                              product,
                              row_product,
                              kept_words,
                              keep_matrix,
                              kept_product,
                              next_attention,
                              attention,
                              attention_gradient,
                              layer_norm,
                              layer_norm_gradient,
                              activation,
                              activation_gradient,
                              gated,
                              gated_gradient,
                              rms_norm,
                              rms_norm_gradient,
                              query_key_norm,
                              query_key_norm_gradient,
                              cross_entropy,
                              cross_entropy_gradient,
                              token_cross_entropy,
                              token_cross_entropy_gradient,
                              embedding,
                              embedding_gradient,
                              strided_copy,
                              fill,
                              reduce,
                              softmax,
                              gather,
                              scatter,
                              one_hot,
                              running,
                              top_k,
                              batch_product,
                              rotary,
                              dropout,
                              add,
                              add_scaled,
                              scale,
                              sum_outer,
                              run_elementwise,
                              adamw,
                              sum_of_squares};
  return all;
}

}  // namespace ESPALIER_VARIANT
}  // namespace espalier
