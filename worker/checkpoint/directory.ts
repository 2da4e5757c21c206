import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';

/** The calls of the file system that checkpoints need; an argument, so that a full disk can be played. */
export interface Storage {
  open: (path: string, flags: number, mode?: number) => Promise<FileHandle>;
  mkdir: (path: string, options: { recursive: true }) => Promise<unknown>;
  readdir: (path: string) => Promise<string[]>;
  rename: (from: string, to: string) => Promise<void>;
  rm: (path: string, options: { force: true }) => Promise<void>;
}

export const disk: Storage = { open, mkdir, readdir, rename, rm };

/** A new file only: never follows a link, never overwrites. */
export const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
export const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW;

/** Name of the checkpoint after `step` steps. */
export function checkpointName(step: number): string {
  return `step-${step}.ckpt`;
}

/** Checkpoints among the names of a directory, newest first. */
export function checkpointSteps(names: readonly string[]): number[] {
  return names
    .flatMap((name) => {
      const step = /^step-(0|[1-9]\d{0,14})\.ckpt$/.exec(name)?.[1];
      return step === undefined ? [] : [Number(step)];
    })
    .sort((a, b) => b - a);
}

/** Files that an interrupted write has left. */
export function leftovers(names: readonly string[]): string[] {
  return names.filter((name) => /^step-\d+\.ckpt\.[0-9a-f-]+\.new$/.test(name));
}

/** A directory that cannot be written or read; the sentence names it and the cause. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly code: 'full' | 'failed';
  readonly retryable: boolean;
  constructor(code: 'full' | 'failed', message: string, cause: unknown) {
    super(message, { cause });
    this.code = code;
    this.retryable = code === 'full';
  }
}

/** Turns an error of the file system into a sentence about `directory`. */
export function storageError(directory: string, doing: string, cause: unknown): StorageError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  const full = code === 'ENOSPC' || code === 'EDQUOT';
  const why = full ? 'the disk is full' : (code ?? String(cause));
  const advice = full ? 'free space there or change checkpoint.directory' : 'check its permissions and its disk';
  return new StorageError(full ? 'full' : 'failed', `could not ${doing} in ${directory}: ${why}; ${advice}`, cause);
}
