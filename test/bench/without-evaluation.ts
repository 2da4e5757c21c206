import type { Opened } from '../../worker/compute/serve.ts';

/** The same training, at the end of which nobody asks how good it was. */
export function withoutEvaluation({ program: loaded, engine }: Opened): Opened {
  const { evaluate: _, ...program } = loaded;
  return { program, engine };
}
