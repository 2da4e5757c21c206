import type { KubeClient } from './client.ts';
import type { Clock } from './clock.ts';
import { type CoreEvent, eventResource } from './core.ts';
import type { KubeObject } from './object.ts';

/** What happened to an object, in words for `kubectl describe`. */
export interface Happening {
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
}

export interface RecorderOptions {
  client: Pick<KubeClient, 'create' | 'mergePatch'>;
  clock: Clock;
  component: string;
  onError: (error: unknown) => void;
}

interface Known {
  name: string;
  count: number;
  sentMs: number;
}

const remembered = 1024;
/** A happening that repeats raises its count at most this often. */
const repeatMs = 10_000;
const maxMessageLength = 1024;

/**
 * Writes core/v1 Events. The same happening of the same object raises the count of its event instead of making another.
 * Events are advice: one that cannot be written is reported to `onError` and forgotten.
 */
export class EventRecorder {
  readonly #options: RecorderOptions;
  readonly #known = new Map<string, Known>();
  #serial = 0;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  async record(object: KubeObject, happening: Happening): Promise<void> {
    const { clock, client } = this.#options;
    const { uid = '', namespace = 'default' } = object.metadata;
    const key = JSON.stringify([uid, happening.type, happening.reason, happening.message]);
    const nowMs = clock.nowMs();
    const known = this.#known.get(key);
    try {
      if (known === undefined) {
        const event = this.#event(object, happening, nowMs);
        this.#remember(key, { name: event.metadata.name, count: 1, sentMs: nowMs });
        await client.create(eventResource, event);
        return;
      }
      this.#remember(key, { ...known, count: known.count + 1 });
      if (nowMs - known.sentMs < repeatMs) return;
      this.#remember(key, { name: known.name, count: known.count + 1, sentMs: nowMs });
      const patch = { count: known.count + 1, lastTimestamp: timestamp(nowMs) };
      await client.mergePatch(eventResource, namespace, known.name, patch);
    } catch (error) {
      this.#known.delete(key);
      this.#options.onError(error);
    }
  }

  #remember(key: string, value: Known): void {
    this.#known.delete(key);
    this.#known.set(key, value);
    if (this.#known.size <= remembered) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      return;
    }
  }

  #event(object: KubeObject, happening: Happening, nowMs: number): CoreEvent {
    const { name, namespace = 'default', uid = '' } = object.metadata;
    const time = timestamp(nowMs);
    this.#serial += 1;
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${name}.${nowMs.toString(16)}${this.#serial.toString(16).padStart(4, '0')}`, namespace },
      involvedObject: { apiVersion: object.apiVersion ?? '', kind: object.kind ?? '', namespace, name, uid },
      ...happening,
      message: happening.message.slice(0, maxMessageLength),
      count: 1,
      firstTimestamp: time,
      lastTimestamp: time,
      source: { component: this.#options.component },
      reportingComponent: this.#options.component,
      reportingInstance: this.#options.component,
    };
  }
}

function timestamp(nowMs: number): string {
  return new Date(nowMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
