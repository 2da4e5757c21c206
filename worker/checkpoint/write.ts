import { constants } from 'node:fs';
import path from 'node:path';
import {
  checkpointName,
  checkpointSteps,
  createFlags,
  leftovers,
  type Storage,
  type StorageError,
  storageError,
} from './directory.ts';
import { ownerOf } from './read.ts';

export interface WriteOptions {
  directory: string;
  jobUid: string;
  /** Newest checkpoints kept. */
  keep: number;
  /** Makes the temporary name this process's own. */
  incarnation: string;
  storage: Storage;
}

/**
 * Writes a checkpoint so that a crash at any moment leaves either the old files or the new one: temporary file, fsync,
 * rename, fsync of the directory; then removes this job's checkpoints older than the newest `keep`.
 * @param pieces of {@link encodeCheckpoint}
 * @throws StorageError
 */
export async function writeCheckpoint(
  step: number,
  pieces: readonly Uint8Array[],
  options: WriteOptions,
): Promise<string> {
  const { directory, storage } = options;
  const file = path.join(directory, checkpointName(step));
  const temporary = `${file}.${options.incarnation}.new`;
  try {
    await storage.mkdir(directory, { recursive: true });
    await writeWhole(temporary, pieces, storage);
    await storage.rename(temporary, file);
    await syncDirectory(directory, storage);
    await prune(options);
  } catch (cause) {
    await storage.rm(temporary, { force: true }).catch(() => {});
    throw storageError(directory, `write the checkpoint of step ${step}`, cause) satisfies StorageError;
  }
  return file;
}

async function writeWhole(file: string, pieces: readonly Uint8Array[], storage: Storage): Promise<void> {
  await storage.rm(file, { force: true });
  const handle = await storage.open(file, createFlags, 0o644);
  try {
    for (const piece of pieces) await writeAll(handle, piece);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeAll(handle: Awaited<ReturnType<Storage['open']>>, piece: Uint8Array): Promise<void> {
  for (let at = 0; at < piece.length; ) {
    const { bytesWritten } = await handle.write(piece, at, piece.length - at);
    at += bytesWritten;
  }
}

async function syncDirectory(directory: string, storage: Storage): Promise<void> {
  const handle = await storage.open(directory, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Another job's files in the same directory are neither counted nor removed. */
async function prune({ directory, keep, jobUid, storage }: WriteOptions): Promise<void> {
  const names = await storage.readdir(directory);
  const own: string[] = [];
  for (const name of checkpointSteps(names).map(checkpointName)) {
    const owner = await ownerOf(path.join(directory, name), storage).catch(() => undefined);
    if (owner === jobUid) own.push(name);
  }
  const old = [...own.slice(keep), ...leftovers(names)];
  for (const name of old) await storage.rm(path.join(directory, name), { force: true });
}
