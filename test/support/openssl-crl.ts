import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodePem } from '../../shared/pki/pem.ts';

/** What `openssl verify -crl_check -extended_crl` says of a leaf under a chain and one CRL, at an instant. */
export function opensslCrlCheck(
  leaf: Uint8Array,
  chain: readonly Uint8Array[],
  crl: Uint8Array,
  at: number,
): { readonly ok: boolean; readonly output: string } {
  const folder = mkdtempSync(join(tmpdir(), 'sealwright-crl-'));
  try {
    const write = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const cas = write('ca.pem', chain.map((one) => encodePem('CERTIFICATE', one)).join(''));
    const list = write('crl.pem', encodePem('X509 CRL', crl));
    const subject = write('leaf.pem', encodePem('CERTIFICATE', leaf));
    const options = ['-crl_check', '-extended_crl', '-attime', String(Math.floor(at / 1_000))];
    const run = spawnSync('openssl', ['verify', ...options, '-CAfile', cas, '-CRLfile', list, subject], {
      encoding: 'utf8',
    });
    return { ok: run.status === 0, output: run.stdout + run.stderr };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
