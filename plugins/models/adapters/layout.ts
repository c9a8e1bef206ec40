/** A module of Hugging Face's model whose LoRA is that of one of our layers, or of part of it. */
export interface AdapterModule {
  /** `transformer.h.0.attn.c_attn` */
  readonly name: string;
  /** `head`: an output head that shares its matrix, [out, in], with the embedding. */
  readonly kind: 'linear' | 'embedding' | 'head';
  /** How many columns of the layer's B belong to this module. */
  readonly outputs: number;
}

/** Where a model has LoRA, in our names and in those of Hugging Face's model. */
export interface AdapterLayout {
  /** Options of `model` that set ranks. */
  readonly rankOptions: readonly string[];
  /** True if Hugging Face's modules store their weights as [in, out]. */
  readonly fanInFanOut: boolean;
  /**
   * Returns the layer that a module's LoRA belongs to, the option that sets its rank, and the module's full name;
   * undefined if the model has no LoRA there.
   * @param module with or without the prefix that models without a head lack
   */
  layerOf(module: string): { readonly module: string; readonly layer: string; readonly option: string } | undefined;
  /**
   * Returns a layer's modules in the order of the columns of its B; an embedding that is also the head gives both.
   * @param description the model's `Model.description`
   */
  modulesOf(layer: string, description: Readonly<Record<string, unknown>>): readonly AdapterModule[];
}
