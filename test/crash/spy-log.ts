/** The log of OpenSC's pkcs11-spy: calls of the HSM as they were made, counted outside our code. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

export const spyModules = [
  '/usr/lib/x86_64-linux-gnu/pkcs11-spy.so',
  '/usr/lib/aarch64-linux-gnu/pkcs11-spy.so',
  '/usr/lib64/pkcs11/pkcs11-spy.so',
];

/**
 * How often C_Sign was called with each digest (lower-case hex of the data). A call that a kill cut short in the log
 * counts once its data are there: it may have signed.
 */
export async function signedDigests(file: string): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  let inSign = false;
  let collecting = false;
  let digest = '';
  const finish = () => {
    if (digest !== '') counts.set(digest, (counts.get(digest) ?? 0) + 1);
    digest = '';
    collecting = false;
  };
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
    const call = /^\d+: (C_\w+)$/.exec(line)?.[1];
    if (call !== undefined) {
      finish();
      inSign = call === 'C_Sign';
      continue;
    }
    if (!inSign) continue;
    if (line.startsWith('[in] pData')) collecting = true;
    else if (collecting) {
      const row = /^ {4}[0-9A-F]{8} {2}((?:[0-9A-F]{2} ?){1,16})/.exec(line)?.[1];
      if (row === undefined) finish();
      else digest += row.replaceAll(' ', '').toLowerCase();
    }
  }
  finish();
  return counts;
}
