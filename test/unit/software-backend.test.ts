import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSoftwareBackend } from '../../shared/adapters/software/backend.ts';
import { keyFilePath } from '../../shared/adapters/software/key-file.ts';
import { createSoftwareProvisioner } from '../../shared/adapters/software/provisioner.ts';
import {
  buildHeldAuthority,
  type HeldAuthority,
  heldAuthority,
  heldKeyTime,
  newTbsIssuance,
} from '../support/held-key-issuance.ts';

describe('CA keys in files', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sealwright keys '));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const provisioner = () => createSoftwareProvisioner({ stage: 'dev', folder, random: randomBytes });
  const backendOf = ({ authority, ref }: HeldAuthority, spkiSha256: string, stage: 'dev' | 'prod' = 'dev') => {
    const { id: caId, signingAlgorithm } = authority;
    return createSoftwareBackend({
      stage,
      folder,
      authority: { caId, ref, spkiSha256, signingAlgorithm },
      clock: () => heldKeyTime,
    });
  };

  it('are for the dev stage only (custody: software)', async () => {
    const ca = await buildHeldAuthority(provisioner(), heldAuthority('software'));
    expect(() => backendOf(ca, ca.issuer.spkiSha256, 'prod')).toThrow('dev stage only');
    expect(() => createSoftwareProvisioner({ stage: 'prod', folder, random: randomBytes })).toThrow('dev stage only');
  });

  it('are made once, readable by their owner only', async () => {
    const authority = heldAuthority('software');
    const { ref } = await provisioner().createAuthority(authority);
    const before = statSync(keyFilePath(folder, ref));
    expect(await provisioner().createAuthority(authority)).toEqual({ ref });
    expect(statSync(keyFilePath(folder, ref)).ino).toBe(before.ino);
    expect(before.mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual([`${ref}.pem`]);
  });

  it('are not used once others can read them', async () => {
    const ca = await buildHeldAuthority(provisioner(), heldAuthority('software'));
    chmodSync(keyFilePath(folder, ca.ref), 0o644);
    const backend = backendOf(ca, ca.issuer.spkiSha256);
    expect(await backend.submit([newTbsIssuance(ca, { id: 'exposed' })])).toMatchObject([
      { kind: 'unavailable', code: 'key-file-exposed' },
    ]);
    expect(await backend.describeKey()).toMatchObject({ status: 'disabled', spkiSha256: '' });
  });

  it("do not sign in the place of another CA certificate's key", async () => {
    const ca = await buildHeldAuthority(provisioner(), heldAuthority('software'));
    const backend = backendOf(ca, '00'.repeat(32));
    expect(await backend.submit([newTbsIssuance(ca, { id: 'other' })])).toMatchObject([
      { kind: 'unavailable', code: 'key-changed' },
    ]);
  });

  it.each(['../outside', 'a/b', '', '.hidden'])('are not looked for at %j', (reference) => {
    expect(() => keyFilePath(folder, reference)).toThrow(RangeError);
  });
});
