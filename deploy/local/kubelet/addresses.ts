import { createServer, type Server } from 'node:net';

/** Pods live in 127.64.0.0/10, cut into blocks of 4096 addresses: one block a cluster. */
const blocks = 1024;
const addressesPerBlock = 4096;
/** The first address of a block carries no pod: listening there is what claims the block. */
const claimPort = 9463;

/** Address number `index` (0…4095) of block number `block` (0…1023). */
export function addressOf(block: number, index: number): string {
  const offset = block * addressesPerBlock + index;
  return `127.${64 + (offset >> 16)}.${(offset >> 8) & 255}.${offset & 255}`;
}

/** Loopback addresses of one cluster's pods; no other cluster on this machine uses the same ones. */
export class AddressBlock {
  readonly #block: number;
  readonly #claim: Server;
  readonly #used = new Set<number>();
  #last = 0;

  constructor(block: number, claim: Server) {
    this.#block = block;
    this.#claim = claim;
  }

  /**
   * A free address, counting up, so that one just given back is not used again at once.
   * @throws Error when all 4094 are in use
   */
  allocate(): string {
    for (let tried = 0; tried < addressesPerBlock; tried++) {
      this.#last = (this.#last + 1) % (addressesPerBlock - 1);
      if (this.#last === 0 || this.#used.has(this.#last)) continue;
      this.#used.add(this.#last);
      return addressOf(this.#block, this.#last);
    }
    throw new Error(`all ${addressesPerBlock - 2} pod addresses of this cluster are in use; delete some pods`);
  }

  release(address: string): void {
    for (const index of this.#used) {
      if (addressOf(this.#block, index) === address) this.#used.delete(index);
    }
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#claim.close(() => resolve());
    });
  }
}

/**
 * Claims a block that no running cluster holds, trying from `first` on. The claim is a listening socket,
 * so it ends with the process however that ends.
 */
export async function claimAddressBlock(first: number): Promise<AddressBlock> {
  for (let tried = 0; tried < blocks; tried++) {
    const block = (first + tried) % blocks;
    const claim = await listen(addressOf(block, 0));
    if (claim !== undefined) return new AddressBlock(block, claim);
  }
  throw new Error('no free loopback addresses: 1024 clusters run on this machine, or 127.64.0.0/10 is not usable');
}

function listen(host: string): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', () => resolve(undefined));
    server.listen({ host, port: claimPort, exclusive: true }, () => {
      server.unref();
      resolve(server);
    });
  });
}
