/** One named float32 tensor of the training state: a variable, or an optimizer slot `<variable>/<slot>`. */
export interface StateTensor {
  name: string;
  shape: readonly number[];
  data: Float32Array;
}

/** Everything that a resumed run needs: the next step to run (= steps done; data position follows from it) and all tensors. */
export interface TrainingState {
  step: number;
  tensors: readonly StateTensor[];
}
