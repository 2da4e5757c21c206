/** What a transport tells its owner. Called one at a time, never from inside a call of {@link Transport}. */
export interface TransportListener {
  /** A whole message of `from`; the bytes are the listener's to keep. */
  frame(from: number, bytes: Buffer): void;
  /** A request of `from`, which receives what this rank sends. */
  request(from: number, bytes: Buffer): void;
  /** `from` has closed its end as it should; nothing more comes. */
  left(from: number): void;
  /** The connection to `from` broke. */
  lost(from: number, reason: string): void;
}

export interface PeerAddress {
  host: string;
  port: number;
}

/**
 * Moves whole messages between the ranks of one lane: large ones from sender to receiver, small requests from receiver to sender; in order and
 * once for each pair of ranks and kind. Bounds nothing: credit does, above it.
 */
export interface Transport {
  /** Where this rank's end listens. */
  readonly port: number;
  /**
   * Resolves when messages can go both ways with every peer (by rank, this rank's own entry is ignored). Rejects with an ExchangeError that names
   * the rank that is missing after `timeoutMs`.
   */
  connect(peers: readonly PeerAddress[], timeoutMs: number, listener: TransportListener): Promise<void>;
  /** Never blocks. The bytes of `frame` may be used again once `taken` has been called. */
  send(to: number, frame: Buffer, taken: () => void): void;
  request(to: number, request: Buffer): void;
  /** Sends what it still holds, tells the peers, and ends; by force after `timeoutMs`. */
  close(timeoutMs: number): Promise<void>;
}
