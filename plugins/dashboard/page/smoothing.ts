/** The slider is finer towards 1, where it matters: at 0.5 of its way the weight is 0.9, at its end 0.999. */
export function weightAt(slider: number): number {
  return slider <= 0 ? 0 : 1 - 10 ** (-3 * Math.min(1, slider) ** 1.585);
}

export function sliderAt(weight: number): number {
  return weight <= 0 ? 0 : (-Math.log10(1 - weight) / 3) ** (1 / 1.585);
}
