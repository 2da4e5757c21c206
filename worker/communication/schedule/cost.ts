import type { Collective, LinkConstants } from './types.ts';

/**
 * Seconds that one exchange of `bytes` over `worldSize` ranks takes by itself.
 *
 * gather-sum: α + 2(P−1)o + (P−1)nβ + (P−1)nγ. split-sum: 2α + 4(P−1)o + 2(P−1)/P·nβ + (P−1)/P·nγ.
 * Forms after Thakur, Rabenseifner, Gropp, "Optimization of Collective Communication Operations in MPICH", IJHPCA 19(1), 2005,
 * with the per-message overhead o of LogGP (Alexandrov et al., SPAA 1995).
 */
export function exchangeSeconds(
  collective: Collective,
  bytes: number,
  worldSize: number,
  constants: LinkConstants,
): number {
  const { alphaSeconds: alpha, betaSecondsPerByte: beta, gammaSecondsPerByte: gamma, overheadSeconds: o } = constants;
  const peers = worldSize - 1;
  if (peers === 0) return 0;
  switch (collective) {
    case 'gather-sum':
      return alpha + 2 * peers * o + peers * bytes * (beta + gamma);
    case 'split-sum':
      return 2 * alpha + 4 * peers * o + (peers / worldSize) * bytes * (2 * beta + gamma);
    default:
      return assertNever(collective);
  }
}

/** Bytes at which both collectives take the same time; gathering is faster below. Infinity when nothing speaks against it. */
export function crossoverBytes(worldSize: number, constants: LinkConstants): number {
  const { alphaSeconds: alpha, betaSecondsPerByte: beta, gammaSecondsPerByte: gamma, overheadSeconds: o } = constants;
  const peers = worldSize - 1;
  const perByte = peers * (beta * (1 - 2 / worldSize) + gamma * (1 - 1 / worldSize));
  return perByte > 0 ? (alpha + 2 * peers * o) / perByte : Infinity;
}

function assertNever(value: never): never {
  throw new Error(`no cost is known for ${String(value)}`);
}
