import { generateKeyPairSync } from 'node:crypto';
import { expect, vi } from 'vitest';
import {
  type CryptoThreads,
  type CryptoThreadsOptions,
  createCryptoThreads,
} from '../../shared/adapters/crypto-thread/crypto-threads.ts';

/** One thread for signatures, or `count`, that takes work: no call of a test is the pool's. To be closed by its caller. */
export async function runningCryptoThreads(options: Partial<CryptoThreadsOptions> = {}): Promise<CryptoThreads> {
  const thread = createCryptoThreads({
    count: 1,
    onEnd: (cause) => {
      throw cause;
    },
    ...options,
  });
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  // The first use starts it.
  await thread.sign('sha256', new Uint8Array(1), privateKey);
  await vi.waitFor(() => expect(thread.areRunning()).toBe(true), 10_000);
  return thread;
}
