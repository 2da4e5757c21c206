import path from 'node:path';
import { cachePaths } from '../../../worker/engine/native/cache.ts';
import { type Release, releaseOf } from '../../../worker/engine/native/release.ts';

/** Version of TensorFlow.js's Node package, and of the core that it runs on here. */
export const stockVersion = '4.22.0';

/** Where TensorFlow.js's Node package lies, made ready to run on the library that the native engine uses. */
export interface StockPaths {
  /** Complete once it exists. */
  folder: string;
  /** TensorFlow.js's Node package, and google-protobuf, which it loads. */
  modules: string;
  /** Its C++ part, compiled against `library`. */
  binding: string;
  /** Libraries and headers, staged by `npm run native`. */
  library: string;
  release: Release;
}

/** `env` says where caches lie, as for the native engine. */
export function stockPaths(env: Readonly<Record<string, string | undefined>>, device: Release['device']): StockPaths {
  const release = releaseOf(device);
  const { root, library } = cachePaths(env, release);
  return stockPathsIn(path.join(root, `stock-tfjs-${stockVersion}-${device}`), library, release);
}

export function stockPathsIn(folder: string, library: string, release: Release): StockPaths {
  return {
    folder,
    modules: path.join(folder, 'node_modules'),
    binding: path.join(folder, 'binding.node'),
    library,
    release,
  };
}
