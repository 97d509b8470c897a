import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRoster, parseScript, renderRoster, type ScriptReading } from '../../shared/ceremony/ceremony.ts';

const keys = [
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOTFqwmAOVWln7T5nyeDpECtZ9W6T4BqxK8xtG+qbmZx alice',
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIJT31r3l4j0cGbmo5TqFMMrJK2XyXw6x67t9c8lowy4 bob',
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOc34MTvTbb1QLnOpc8w3k9erib7spG+WvYZqpLC3LFK',
] as const;
const sample = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'ceremony', 'root.yaml.in'), 'utf8')
  .replace('@ALICE@', keys[0])
  .replace('@BOB@', keys[1])
  .replace('@CAROL@', keys[2]);

function faultsOf(reading: ScriptReading): readonly string[] {
  return reading.ok ? [] : reading.faults.map(({ code, line }) => `${line}:${code}`);
}
const lineOf = (text: string, part: string) => text.slice(0, text.indexOf(part)).split('\n').length;

describe('the script of a ceremony', () => {
  it('is read with its roles, witnesses, acts and digest', () => {
    const reading = parseScript(sample);
    expect(faultsOf(reading)).toEqual([]);
    if (!reading.ok) return;
    expect(reading.script.witnesses).toMatchObject({
      quorum: 2,
      keys: [{ name: 'alice' }, { name: 'bob' }, { name: 'carol' }],
    });
    expect(reading.script.acts.map(({ act }) => act)).toEqual([
      'identify-participants',
      'check-module',
      'generate-key',
      'self-sign',
      'read-evidence',
      'close',
    ]);
    expect(reading.script.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it.each([
    ['a PIN', 'authority: root', 'authority: root\npin: 123456', 'secret-in-script'],
    ['a PIN under another name', '  - role: operator', '  - role: operator\n    so-pin: x', 'secret-in-script'],
    ['a passphrase', 'authority: root', 'authority: root\npassphrase: x', 'secret-in-script'],
    [
      'a private key',
      'title: Example Ceremony Root G1',
      "title: '-----BEGIN OPENSSH PRIVATE KEY-----'",
      'secret-in-script',
    ],
    [
      'a PIN in a PKCS #11 URI',
      'title: Example Ceremony Root G1',
      "title: 'pkcs11:token=a?pin-value=1'",
      'secret-in-script',
    ],
    ['a slot', 'authority: root', 'authority: root\nslot: 1', 'slot-in-script'],
    ['a slot in a PKCS #11 URI', 'title: Example Ceremony Root G1', "title: 'pkcs11:slot-id=4'", 'slot-in-script'],
    ['a key that is no key of a script', 'authority: root', 'authority: root\nhsm: x', 'key-unknown'],
    ['an act that is none', 'act: check-module', 'act: check-modules', 'value-not-allowed'],
    ['a quorum above the witnesses', 'quorum: 2', 'quorum: 4', 'quorum-out-of-range'],
    ['a quorum of none', 'quorum: 2', 'quorum: 0', 'quorum-out-of-range'],
    ['a quorum of a part', 'quorum: 2', 'quorum: 1.5', 'value-type'],
    ['one key under two names', keys[1], keys[0], 'witness-key-repeated'],
    ['one name with two keys', 'name: bob', 'name: alice', 'value-repeated'],
    ['a key that is not Ed25519', keys[1], 'ssh-rsa AAAAB3NzaC1yc2E=', 'witness-key-syntax'],
    ['acts in another order', 'act: check-module', 'act: self-sign', 'act-order'],
    ['a difference that is none', 'mayDiffer: [software', 'mayDiffer: [title', 'value-not-allowed'],
    ['an alias', 'authority: root', 'authority: &a root', 'yaml-alias'],
    ['a duplicate key', 'authority: root', 'authority: root\nauthority: root', 'yaml-duplicate-key'],
    ['another version', 'version: 1', 'version: 2', 'value-not-allowed'],
  ])('is refused for %s, with its line', (_, from, to, code) => {
    const changed = sample.replace(from, to);
    const faults = faultsOf(parseScript(changed));
    const added = to.startsWith(`${from}\n`);
    const line = lineOf(sample, from) + (added ? 1 : 0);
    expect(
      faults.some((fault) => fault.endsWith(`:${code}`)),
      faults.join(),
    ).toBe(true);
    if (code !== 'act-order' && code !== 'yaml-alias') expect(faults).toContain(`${line}:${code}`);
  });

  it('never repeats what may be a secret', () => {
    const reading = parseScript(sample.replace('authority: root', 'authority: root\npin: hunter2-hunter2'));
    expect(JSON.stringify(reading)).not.toContain('hunter2');
  });

  it('is read or refused, whatever the text (total)', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(sample.length), (inserted, at) => {
        const reading = parseScript(sample.slice(0, at) + inserted + sample.slice(at));
        expect(typeof reading.ok).toBe('boolean');
      }),
      { numRuns: 200 },
    );
  });
});

describe('a roster', () => {
  const script = parseScript(sample);
  const text = script.ok ? renderRoster(script.script) : '';

  it('that is rendered from a script is read again', () => {
    const roster = parseRoster(text);
    expect(roster).toMatchObject({
      ok: true,
      roster: { signers: [{ name: 'alice' }, { name: 'bob' }, { name: 'carol' }] },
    });
    if (roster.ok && script.ok) expect(roster.roster.scriptSha256).toBe(script.script.sha256);
  });

  it.each([
    ['its first line', '# sealwright-ceremony-roster 1', '# roster'],
    ['the digest of the script', '# script sha256:', '# script sha1:'],
    ['a namespace', 'namespaces="sealwright-ceremony"', 'namespaces="file"'],
    ['a restriction to namespaces', ' namespaces="sealwright-ceremony"', ''],
    ['a key', 'ssh-ed25519 AAAAC3', 'ssh-ed25519 BBBBC3'],
    ['two signers of one name', 'bob ', 'alice '],
  ])('is refused when it lacks or spoils %s', (_, from, to) => {
    expect(parseRoster(text.replace(from, to)).ok).toBe(false);
  });
});
