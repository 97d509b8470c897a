import { randomBytes } from 'node:crypto';
import { processStack } from '../../shared/adapters/stack/stack.ts';

export function wiring() {
  return { ...processStack(), random: (bytes: number): Uint8Array => randomBytes(bytes) };
}
