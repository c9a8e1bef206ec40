/** A module of Hugging Face's model whose LoRA is that of one of our layers, or a part of it. */
export interface AdapterModule {
  /** `transformer.h.0.attn.c_attn` */
  readonly name: string;
  /** `head`: an output head that shares the matrix of the embedding in front of it, as [out, in]. */
  readonly kind: 'linear' | 'embedding' | 'head';
  /** Columns of the layer's B that are this module's. */
  readonly outputs: number;
}

/** Where a model has LoRA, in its own terms and in those of Hugging Face's model. */
export interface AdapterLayout {
  /** Options of `model` that are ranks. */
  readonly rankOptions: readonly string[];
  /** True if Hugging Face's modules keep their weights as [in, out]. */
  readonly fanInFanOut: boolean;
  /**
   * Returns the layer that a module's LoRA belongs to, the option with its rank, and the module's full name; undefined
   * if the model has no LoRA there.
   * @param module with or without the prefix of the model without head
   */
  layerOf(module: string): { readonly module: string; readonly layer: string; readonly option: string } | undefined;
  /**
   * Returns the modules of a layer in the order of the columns of its B; an embedding that is the head too is both.
   * @param description the model's `Model.description`
   */
  modulesOf(layer: string, description: Readonly<Record<string, unknown>>): readonly AdapterModule[];
}
