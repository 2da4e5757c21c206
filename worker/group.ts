import { mergeConstants } from './communication/calibrate.ts';
import { type Context, times } from './context.ts';
import { Coordinator } from './membership/coordinator.ts';
import { grpcLink, localLink, type OpenLink } from './membership/dial.ts';
import { formatAddress, parseAddress, resolver } from './membership/hosts.ts';
import { Member } from './membership/member.ts';
import type { Stop } from './membership/message.ts';
import { protocolVersion } from './membership/quorum.ts';

export interface GroupHandlers {
  /** Steps done by this rank. */
  step: () => number;
  /** A step that no rank can have passed when it hears of it. */
  stopStep: () => number;
  onStop: (stop: Stop) => void;
  onEnd: (error: unknown) => void;
}

/** This worker's place among its peers; rank 0 also coordinates them. */
export interface Group {
  member: Member;
  coordinator: Coordinator | undefined;
  /** Address of every rank, resolved anew. */
  hosts: () => Promise<string[]>;
  close: () => Promise<void>;
}

/** Opens the control port on rank 0 and makes a member that knows how to reach it. Throws PortInUseError. */
export async function openGroup(
  context: Context,
  lanePorts: readonly number[],
  handlers: GroupHandlers,
): Promise<Group> {
  const { config, environment, clock, incarnation } = context;
  const { uid: jobUid, attempt } = config.job;
  const startupMs = config.startupSeconds * 1000;
  const peers = config.peers.map(parseAddress);
  const rank0 = peers[0] ?? { host: environment.podIp, port: config.communication.port };
  const resolve = resolver(environment.hostsFile);
  const coordinator =
    config.rank > 0
      ? undefined
      : await Coordinator.listen({
          group: {
            jobUid,
            attempt,
            worldSize: config.worldSize,
            startByMs: clock() + startupMs,
            startupMs,
            deadMs: times.deadMs,
            mergeConstants,
          },
          host: environment.podIp,
          port: config.communication.port,
          heartbeatMs: times.heartbeatMs,
          helloMs: times.helloMs,
          clock,
          stopStep: handlers.stopStep,
        });
  const reach = async (signal: AbortSignal): Promise<OpenLink> => {
    if (coordinator !== undefined) return (owner) => localLink(coordinator, owner);
    const address = formatAddress({ host: await resolve(rank0.host, signal), port: rank0.port });
    return (owner) => grpcLink(address, owner);
  };
  const member = new Member({
    hello: { jobUid, attempt, incarnation, protocolVersion, rank: config.rank, worldSize: config.worldSize, lanePorts },
    reach,
    rank0: config.peers[0] ?? '',
    // Rank 0 names who is missing; it must have the time to say so.
    startupMs: startupMs + (coordinator === undefined ? 1000 : 0),
    ...times,
    clock,
    step: handlers.step,
    onStop: handlers.onStop,
    onEnd: handlers.onEnd,
  });
  const hosts = () => Promise.all(peers.map(({ host }) => resolve(host, AbortSignal.timeout(startupMs))));
  return { member, coordinator, hosts, close: async () => await coordinator?.close(times.flushMs) };
}
