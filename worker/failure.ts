/** The first thing that went wrong; everything that waits can wait for it too. */
export class FirstFailure {
  readonly #failed = Promise.withResolvers<never>();

  constructor() {
    this.#failed.promise.catch(() => {});
  }

  /** Only the first call has an effect. */
  readonly fail = (error: unknown): void => {
    this.#failed.reject(error);
  };

  /** `promise`, or the first failure if that comes before. */
  or<T>(promise: Promise<T>): Promise<T> {
    promise.catch(this.fail);
    return Promise.race([this.#failed.promise, promise]);
  }
}
