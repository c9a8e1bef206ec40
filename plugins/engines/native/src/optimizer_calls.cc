// One step of an optimizer, over all parameters.
#include <cmath>
#include <vector>

#include "arguments.h"
#include "calls.h"

namespace espalier {
namespace {

// learning rate, beta1, beta2, epsilon, step, gradient scale, weight decays [n],
// then n each of: parameters, gradients, means, squares, new parameters, new means, new squares
void AdamWStep(const Napi::CallbackInfo& info) {
  Arguments in(info);
  AdamW how = {};
  how.learning_rate = in.number(), how.beta1 = in.number(), how.beta2 = in.number();
  how.epsilon = in.number(), how.step = in.number(), how.gradient_scale = in.number();
  const Napi::Array decays = in.list();
  const uint32_t count = decays.Length();
  std::vector<double> weight_decays(count);
  for (uint32_t i = 0; i < count; i++) {
    const Napi::Value decay = decays[i];
    if (!decay.IsNumber()) in.fail("must hold numbers");
    weight_decays[i] = decay.As<Napi::Number>().DoubleValue();
  }
  std::vector<AdamWTensors> tensors(count);
  const auto read = [&](auto&& take) {
    const Napi::Array list = in.list();
    if (list.Length() != count) in.fail("must have as many tensors as there are weight decays");
    for (uint32_t i = 0; i < count; i++) {
      const Napi::Value value = list[i];
      take(tensors[i], value);
    }
  };
  read([&](AdamWTensors& t, const Napi::Value& value) {
    if (!value.IsTypedArray()) in.fail("must hold Float32Arrays");
    t.size = static_cast<int64_t>(value.As<Napi::TypedArray>().ElementLength());
    t.parameter = in.floats_of(value, t.size);
  });
  read([&](AdamWTensors& t, const Napi::Value& value) { t.gradient = in.floats_of(value, t.size); });
  read([&](AdamWTensors& t, const Napi::Value& value) { t.mean = in.floats_of(value, t.size); });
  read([&](AdamWTensors& t, const Napi::Value& value) { t.square = in.floats_of(value, t.size); });
  read([&](AdamWTensors& t, const Napi::Value& value) { t.new_parameter = in.floats_of(value, t.size); });
  read([&](AdamWTensors& t, const Napi::Value& value) { t.new_mean = in.floats_of(value, t.size); });
  read([&](AdamWTensors& t, const Napi::Value& value) { t.new_square = in.floats_of(value, t.size); });
  kernels().adamw(count, tensors.data(), weight_decays.data(), how);
}

// tensors -> square root of the sum of all squares
Napi::Value GlobalNorm(const Napi::CallbackInfo& info) {
  Arguments in(info);
  const Napi::Array list = in.list();
  double sum = 0;
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::Value value = list[i];
    if (!value.IsTypedArray()) in.fail("must hold Float32Arrays");
    const int64_t size = static_cast<int64_t>(value.As<Napi::TypedArray>().ElementLength());
    sum += kernels().sum_of_squares(size, in.floats_of(value, size));
  }
  return Napi::Number::New(info.Env(), std::sqrt(sum));
}

}  // namespace

void add_optimizer(Exports& exports) {
  exports.add<AdamWStep>("adamwStep");
  exports.add<GlobalNorm>("globalNorm");
}

}  // namespace espalier
