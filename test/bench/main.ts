import { EngineError } from '../../worker/engine/engine.ts';

/** `npm run bench -- NAME [options] [--json]` */
const benches: Readonly<Record<string, () => Promise<{ run: (argv: string[]) => Promise<void> }>>> = {
  allreduce: () => import('./allreduce.ts'),
  compare: () => import('./compare.ts'),
  copies: () => import('./copies.ts'),
  memory: () => import('./memory.ts'),
  'stock-setup': () => import('./stock-tensorflow/setup.ts'),
  train: () => import('./train.ts'),
};

const [name, ...options] = process.argv.slice(2);
const bench = benches[name ?? ''];
if (bench === undefined) {
  console.error(
    `${name === undefined ? 'name a benchmark' : `there is no benchmark ${name}`}: ${Object.keys(benches).join(', ')}`,
  );
  process.exit(2);
}
try {
  await (await bench()).run(options);
} catch (error) {
  const isUsage = error instanceof RangeError || (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS');
  console.error(isUsage === true || error instanceof EngineError ? (error as Error).message : error);
  process.exit(isUsage === true ? 2 : 1);
}
