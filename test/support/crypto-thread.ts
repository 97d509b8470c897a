import { generateKeyPairSync } from 'node:crypto';
import { expect, vi } from 'vitest';
import {
  type CryptoThread,
  type CryptoThreadOptions,
  createCryptoThread,
} from '../../shared/adapters/crypto-thread/crypto-thread.ts';

/** A thread for signatures that takes work: no call of a test is the pool's. To be closed by its caller. */
export async function runningCryptoThread(options: Partial<CryptoThreadOptions> = {}): Promise<CryptoThread> {
  const thread = createCryptoThread({
    onEnd: (cause) => {
      throw cause;
    },
    ...options,
  });
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  // The first use starts it.
  await thread.sign('sha256', new Uint8Array(1), privateKey);
  await vi.waitFor(() => expect(thread.isRunning()).toBe(true), 10_000);
  return thread;
}
