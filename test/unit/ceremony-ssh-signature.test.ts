import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  ceremonyNamespace,
  parseSshPublicKey,
  parseSshSignature,
  SshFormatError,
  verifySshSignature,
} from '../../shared/ceremony/ssh-signature.ts';
import { makeSshKey, signWithSshKeygen } from '../support/ceremony-world.ts';

describe('signatures of OpenSSH (PROTOCOL.sshsig), with ssh-keygen as the oracle', () => {
  const dir = mkdtempSync(join(tmpdir(), 'sealwright ssh '));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const keyFile = join(dir, 'witness');
  const publicLine = makeSshKey(keyFile);
  const message = 'a statement\n';
  const armored = signWithSshKeygen(keyFile, message);
  const bytesOf = (text: string) => Buffer.from(text.replace(/-----.*-----|\s/g, ''), 'base64');
  const armor = (bytes: Uint8Array) =>
    `-----BEGIN SSH SIGNATURE-----\n${Buffer.from(bytes).toString('base64')}\n-----END SSH SIGNATURE-----\n`;

  it('shows the fingerprint that ssh-keygen -l shows', () => {
    const shown = execFileSync('ssh-keygen', ['-l', '-f', `${keyFile}.pub`], { encoding: 'utf8' }).split(' ')[1];
    expect(parseSshPublicKey(publicLine).fingerprint).toBe(shown);
  });

  it('verifies what ssh-keygen signed, with either hash', () => {
    const signature = parseSshSignature(armored);
    expect(signature).toMatchObject({ namespace: ceremonyNamespace, hashAlgorithm: 'sha512' });
    expect(verifySshSignature(signature, Buffer.from(message))).toBe(true);
    const sha256 = execFileSync(
      'ssh-keygen',
      ['-q', '-Y', 'sign', '-O', 'hashalg=sha256', '-n', ceremonyNamespace, '-f', keyFile],
      { input: message, encoding: 'latin1', stdio: ['pipe', 'pipe', 'ignore'] },
    );
    expect(parseSshSignature(sha256).hashAlgorithm).toBe('sha256');
    expect(verifySshSignature(parseSshSignature(sha256), Buffer.from(message))).toBe(true);
  });

  it('does not verify another message, or one byte of the signature changed anywhere', () => {
    expect(verifySshSignature(parseSshSignature(armored), Buffer.from('a statement'))).toBe(false);
    const bytes = bytesOf(armored);
    const key = parseSshPublicKey(publicLine).fingerprint;
    const passed: number[] = [];
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at] = bytes[at]! ^ 1;
      try {
        const signature = parseSshSignature(armor(changed));
        const same = signature.publicKey.fingerprint === key && signature.namespace === ceremonyNamespace;
        if (same && verifySshSignature(signature, Buffer.from(message))) passed.push(at);
      } catch (error) {
        if (!(error instanceof SshFormatError)) throw error;
      }
    }
    expect(passed).toEqual([]);
  });

  it.each([
    ['text around it', `x\n${armored}`],
    ['two of them', armored + armored],
    ['bytes behind it', armor(Buffer.concat([bytesOf(armored), Buffer.alloc(4)]))],
    ['an end that is early', armor(bytesOf(armored).subarray(0, -1))],
    ['no SSHSIG in it', armor(Buffer.from('SSHSOG'))],
    ['nothing', ''],
  ])('refuses %s', (_, text) => {
    expect(() => parseSshSignature(text)).toThrow(SshFormatError);
  });

  it('refuses keys of other types and of small order', () => {
    const rsa = join(dir, 'rsa');
    execFileSync('ssh-keygen', ['-q', '-t', 'rsa', '-b', '2048', '-N', '', '-f', rsa]);
    expect(() => parseSshSignature(signWithSshKeygen(rsa, message))).toThrow(SshFormatError);
    const small = Buffer.concat([Buffer.from('0000000b7373682d6564323535313900000020', 'hex'), Buffer.alloc(32)]);
    expect(() => parseSshPublicKey(`ssh-ed25519 ${small.toString('base64')}`)).toThrow(SshFormatError);
  });
});
