import { fileURLToPath } from 'node:url';

/** The manifest that `hayate start` trains. */
export const exampleManifest = fileURLToPath(new URL('../../../crds/examples/mnist.yaml', import.meta.url));
