/**
 * What the simulator changes of the runtime in its own thread. Verification does without the thread pool, whose answers come
 * in an order that no seed fixes; nothing is skipped: the runtime's own functions are asked, once for each different question.
 * No clock of the machine aborts a call: the simulated client gives up by virtual time.
 */
import crypto, { type KeyObject } from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

type Done = (error: Error | null, verified: boolean) => void;

/** Of each kind; then all are forgotten. */
const answersMax = 20_000;
let isSimulated = false;

/** For the life of this process. Twice is no error. */
export function simulateRuntime(): void {
  if (isSimulated) return;
  isSimulated = true;
  const { createPublicKey, verify } = crypto;
  const keys = new Map<string, KeyObject>();
  const answers = new WeakMap<KeyObject, Map<string, boolean>>();

  const keyOf = (input: Parameters<typeof createPublicKey>[0]): KeyObject => {
    const pem = (input as { readonly key?: unknown }).key;
    if (typeof pem !== 'string') return createPublicKey(input);
    let key = keys.get(pem);
    if (key === undefined) {
      key = createPublicKey(input);
      if (keys.size >= answersMax) keys.clear();
      keys.set(pem, key);
      answers.set(key, new Map());
    }
    return key;
  };

  const verifyOnce = (algorithm: string | null, data: Uint8Array, key: KeyObject, signature: Uint8Array): boolean => {
    const known = answers.get(key);
    if (known === undefined) return verify(algorithm, data, key, signature);
    const question = `${algorithm} ${latin1(signature)} ${latin1(data)}`;
    let answer = known.get(question);
    if (answer === undefined) {
      answer = verify(algorithm, data, key, signature);
      if (known.size >= answersMax) known.clear();
      known.set(question, answer);
    }
    return answer;
  };

  crypto.createPublicKey = keyOf as typeof createPublicKey;
  crypto.verify = ((algorithm: string | null, data: Uint8Array, key: KeyObject, signature: Uint8Array, done?: Done) => {
    if (done === undefined) return verifyOnce(algorithm, data, key, signature);
    let verified: boolean;
    try {
      verified = verifyOnce(algorithm, data, key, signature);
    } catch (error) {
      return done(error as Error, false);
    }
    return done(null, verified);
  }) as unknown as typeof verify;
  syncBuiltinESMExports();
  const never = new AbortController().signal;
  AbortSignal.timeout = () => never;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
