import path from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { checkpointName, checkpointSteps, readFlags, type Storage, storageError } from './directory.ts';
import { type Decoded, decodeLayout, decodeTensor, fileProblem, headBytes, prefixBytes } from './format.ts';
import type { StateTensor, TrainingState } from './state.ts';

/** What a usable checkpoint must fit: the job it belongs to and the model's own state. */
export interface Wanted {
  jobUid: string;
  /** State at step 0 of the model as built: names and shapes that a checkpoint must have. */
  initial: TrainingState;
  /** Steps of the whole training; a checkpoint beyond them belongs to another setting. */
  steps: number;
}

export interface Found {
  state: TrainingState | undefined;
  /** Newer files that could not be used, each with its reason. */
  skipped: readonly { file: string; reason: string }[];
}

/** The newest valid checkpoint in `directory`; a missing directory holds none. Throws StorageError if it cannot be listed. */
export async function readNewest(directory: string, wanted: Wanted, storage: Storage): Promise<Found> {
  const skipped: { file: string; reason: string }[] = [];
  for (const step of checkpointSteps(await list(directory, storage))) {
    const file = path.join(directory, checkpointName(step));
    const read = await readCheckpoint(file, wanted, storage).catch((error: unknown) => unreadable(error));
    if (read.ok) return { state: read.value, skipped };
    skipped.push({ file, reason: read.reason });
  }
  return { state: undefined, skipped };
}

async function list(directory: string, storage: Storage): Promise<string[]> {
  try {
    return await storage.readdir(directory);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw storageError(directory, 'look for checkpoints', cause);
  }
}

async function readCheckpoint(file: string, wanted: Wanted, storage: Storage): Promise<Decoded<TrainingState>> {
  const handle = await storage.open(file, readFlags);
  try {
    const { size } = await handle.stat();
    const limit = maxBytes(wanted.initial);
    if (size > limit) return { ok: false, reason: `too large: ${size} bytes where this model needs at most ${limit}` };
    const bytes = Buffer.alloc(size);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await handle.read(bytes, at, Math.min(size - at, 8 << 20), at);
      if (bytesRead === 0) return { ok: false, reason: 'truncated while it was read' };
      at += bytesRead;
    }
    return await checkState(bytes, wanted);
  } finally {
    await handle.close();
  }
}

/** Checks a whole checkpoint in memory and takes its state; the event loop runs between tensors. */
export async function checkState(bytes: Uint8Array, wanted: Wanted): Promise<Decoded<TrainingState>> {
  const layout = decodeLayout(bytes);
  if (!layout.ok) return layout;
  const { jobUid, step } = layout.value;
  if (jobUid !== wanted.jobUid) return { ok: false, reason: `it belongs to another job (${jobUid})` };
  if (step > wanted.steps) return { ok: false, reason: `it is of step ${step}, beyond training.steps ${wanted.steps}` };
  const wrong = fileProblem(layout.value, bytes) ?? modelProblem(layout.value.tensors, wanted.initial.tensors);
  if (wrong !== undefined) return { ok: false, reason: wrong };
  const tensors: StateTensor[] = [];
  for (const place of layout.value.tensors) {
    const tensor = decodeTensor(bytes, place);
    if (!tensor.ok) return tensor;
    tensors.push(tensor.value);
    await breathe();
  }
  return { ok: true, value: { step, tensors } };
}

/** Most bytes that a checkpoint of this model can have: its tensors, and a header that names them. */
export function maxBytes(initial: TrainingState): number {
  const header = initial.tensors.reduce(
    (sum, { name, shape }) => sum + 256 + 6 * name.length + 24 * shape.length,
    4096,
  );
  return initial.tensors.reduce((sum, { data }) => sum + data.byteLength + 64, header);
}

/** The job that a checkpoint belongs to, from its header alone; undefined for a file that does not say. */
export async function ownerOf(file: string, storage: Storage): Promise<string | undefined> {
  const handle = await storage.open(file, readFlags);
  try {
    const prefix = Buffer.alloc(prefixBytes);
    await handle.read(prefix, 0, prefixBytes, 0);
    const head = Buffer.alloc(headBytes(prefix));
    await handle.read(head, 0, head.length, 0);
    const layout = decodeLayout(head);
    return layout.ok ? layout.value.jobUid : undefined;
  } finally {
    await handle.close();
  }
}

type Named = Pick<StateTensor, 'name' | 'shape'>;

function modelProblem(has: readonly Named[], needs: readonly Named[]): string | undefined {
  for (const [i, { name, shape }] of needs.entries()) {
    const found = has[i];
    if (found?.name !== name) return `it is of another model: ${found?.name ?? 'nothing'} where this one has ${name}`;
    if (found.shape.join() !== shape.join()) {
      return `it is of another model: ${name} is [${found.shape.join(', ')}] there and [${shape.join(', ')}] here`;
    }
  }
  const extra = has[needs.length];
  return extra === undefined ? undefined : `it is of another model: it has ${extra.name}, which this one lacks`;
}

function unreadable(error: unknown): { ok: false; reason: string } {
  const { code, message } = error as NodeJS.ErrnoException;
  return { ok: false, reason: `it cannot be read (${code ?? message})` };
}
