import type { WorkerConfig } from '@hayate/crds/worker-config.ts';
import type { EngineName, EngineSettings } from './engine/engine.ts';

/** What the environment says; each wins over the default, none over the job. */
export interface Forced {
  /** HAYATE_ENGINE */
  engine: string | undefined;
  /** HAYATE_DEVICE */
  device: string | undefined;
}

/** What the job says. */
export interface Asked {
  device: EngineSettings['device'];
  precision: WorkerConfig['training']['precision'];
}

/** Which engine computes, where, how precisely and why; or every reason why none can, and how the worker ends for it. */
export type EngineChoice =
  | { ok: true; engine: EngineName; settings: EngineSettings; why: string }
  | { ok: false; class: 'configuration'; problems: readonly string[] }
  /** It would be the native engine, with these settings. */
  | { ok: false; class: 'engineMissing'; settings: EngineSettings; problems: readonly string[] };

const engines: readonly EngineName[] = ['wasm', 'cpu', 'native'];
const devices: readonly EngineSettings['device'][] = ['cpu', 'gpu'];

/**
 * On the CPU the native engine where it is staged, else WASM, unless HAYATE_ENGINE says which. On a GPU the native
 * engine or nothing: a job that asks for a GPU never computes on the CPU.
 */
export function chooseEngine(
  forced: Forced,
  asked: Asked,
  isStaged: (device: EngineSettings['device']) => boolean,
): EngineChoice {
  const engine = oneOf(engines, forced.engine);
  const device = asked.device === 'gpu' ? 'gpu' : (oneOf(devices, forced.device) ?? 'cpu');
  const problems = [
    ...unknownProblem('HAYATE_ENGINE', engines, forced.engine),
    ...unknownProblem('HAYATE_DEVICE', devices, forced.device),
    ...(device === 'gpu' ? contradictions(forced, asked) : []),
  ];
  if (problems.length > 0) return { ok: false, class: 'configuration', problems };
  const settings: EngineSettings = { device, precision: precisionOf(asked.precision) };
  if (device === 'gpu') {
    if (!isStaged('gpu')) return { ok: false, class: 'engineMissing', settings, problems: [notStaged(asked)] };
    return { ok: true, engine: 'native', settings, why: `${wishOf(asked)} a GPU` };
  }
  if (engine !== undefined) return { ok: true, engine, settings, why: 'chosen by HAYATE_ENGINE' };
  return isStaged('cpu')
    ? { ok: true, engine: 'native', settings, why: 'staged on this machine' }
    : { ok: true, engine: 'wasm', settings, why: 'the default' };
}

/** What the environment says against a GPU that is wanted. */
function contradictions(forced: Forced, asked: Asked): string[] {
  const problems: string[] = [];
  if (forced.device === 'cpu') {
    problems.push(`HAYATE_DEVICE is cpu, but the job asks for a GPU; unset HAYATE_DEVICE, or ${withoutGpu}`);
  }
  if (forced.engine === 'wasm' || forced.engine === 'cpu') {
    const either = asked.device === 'gpu' ? withoutGpu : 'unset HAYATE_DEVICE';
    problems.push(
      `HAYATE_ENGINE is ${forced.engine}, which computes on the CPU, but ${wishOf(asked)} a GPU; unset HAYATE_ENGINE, or ${either}`,
    );
  }
  return problems;
}

const withoutGpu = "set workers.resourceName to '' in the manifest";

function notStaged(asked: Asked): string {
  const advice = 'run npm run native -- gpu, or use a worker image built with it (npm run native -- doctor says why)';
  return `${wishOf(asked)} a GPU, and the native engine for GPUs is not staged here; ${advice}`;
}

function wishOf({ device }: Asked): string {
  return device === 'gpu' ? 'the job asks for' : 'HAYATE_DEVICE asks for';
}

function precisionOf(precision: Asked['precision']): EngineSettings['precision'] {
  switch (precision) {
    case 'Float32':
      return 'float32';
    case 'TF32':
      return 'tf32';
    default:
      return precision satisfies never;
  }
}

/** `text` as one of `words`; undefined where it is none, or says nothing. */
function oneOf<T extends string>(words: readonly T[], text: string | undefined): T | undefined {
  return words.find((word) => word === text);
}

function unknownProblem(name: string, words: readonly string[], text: string | undefined): string[] {
  const isKnown = text === undefined || text === '' || words.includes(text);
  return isKnown ? [] : [`${name}: "${text}" is none of ${words.join(', ')}`];
}
