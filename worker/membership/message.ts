import type { FailureClass } from '@hayate/crds/exit-codes.ts';
import type { LinkConstants } from '../communication/schedule/types.ts';

/** Which process of which attempt of which job speaks. */
export interface Fence {
  jobUid: string;
  attempt: number;
  /** Drawn once a process: tells a restarted rank from the one before it. */
  incarnation: string;
}

export interface Hello extends Fence {
  protocolVersion: number;
  rank: number;
  worldSize: number;
  lanePorts: readonly number[];
}

/** One part of what a member would run, so that the first difference between two members has a name. */
export interface PlanPart {
  name: string;
  digest: string;
}

export interface Ready {
  plan: readonly PlanPart[];
  /** First step this member would run. */
  step: number;
  stateDigest: string;
}

/** The group starts here; ranks in `fetching` take rank 0's state first. */
export interface Start {
  step: number;
  stateDigest: string;
  fetching: readonly number[];
}

/** The attempt is over because of `blamedRank`. */
export interface Abort {
  class: FailureClass;
  blamedRank: number;
  message: string;
}

export interface Refusal {
  class: FailureClass;
  reason: string;
  /** The coordinator belongs to another attempt that may be ending: dial again. */
  retry: boolean;
}

/** All ranks end when they have done `afterStep` steps, because `requestedBy` was asked to end. */
export interface Stop {
  afterStep: number;
  requestedBy: number;
}

export interface Done {
  step: number;
  weightsDigest: string;
}

export type MemberMessage =
  | { kind: 'hello'; hello: Hello }
  | { kind: 'constants'; constants: LinkConstants }
  | { kind: 'ready'; ready: Ready }
  | { kind: 'heartbeat'; step: number }
  | { kind: 'abort'; abort: Abort }
  | { kind: 'stopRequest' }
  | { kind: 'done'; done: Done };

export type CoordinatorMessage =
  | { kind: 'welcome' }
  | { kind: 'refused'; refusal: Refusal }
  | { kind: 'table'; lanePorts: readonly (readonly number[])[] }
  | { kind: 'constants'; constants: LinkConstants }
  | { kind: 'start'; start: Start }
  | { kind: 'heartbeat'; step: number }
  | { kind: 'abort'; abort: Abort }
  | { kind: 'stop'; stop: Stop }
  | { kind: 'dismissed' };
