import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judgeCeremony } from '../../cli/ceremony/adoption.ts';
import { type CommandContext, CommandFailure } from '../../cli/command.ts';
import type { CeremonyRecord, Verification } from '../../shared/ceremony/ceremony.ts';
import { sha256Hex } from '../../shared/pki/hash.ts';
import {
  bodyOf,
  type CeremonyWorld,
  makeSshKey,
  makeSubordinateRequest,
  openCeremonyWorld,
  rechained,
  sealwright,
  signAnew,
  signWithSshKeygen,
} from '../support/ceremony-world.ts';
import { softHsmMissing } from '../support/softhsm.ts';

const withSubordinate = (sample: string) =>
  sample.replace(
    '  - act: read-evidence',
    '  - act: certify-subordinate\n    authority: subordinate\n  - act: read-evidence',
  );

function codesOf(verification: Verification): readonly string[] {
  return verification.ok ? [] : verification.refusals.map(({ code }) => code);
}

const without = softHsmMissing === undefined ? '' : ` (left out: ${softHsmMissing})`;

describe.skipIf(softHsmMissing !== undefined)(`a transcript and its verification${without}`, () => {
  let world: CeremonyWorld;
  let records: CeremonyRecord[];

  beforeAll(() => {
    world = openCeremonyWorld(withSubordinate);
    makeSubordinateRequest(world.dir);
    const held = world.rehearse();
    expect(held.stderr).toContain('Act 5 of 7: certify-subordinate');
    expect(held.status, held.stderr).toBe(0);
    records = world.records();
  }, 60_000);
  afterAll(() => world?.end());

  /** The change made by somebody who has all witnesses sign it anew: only what is said can give it away. */
  async function forged(change: Parameters<typeof rechained>[1]): Promise<readonly string[]> {
    const transcript = rechained(records, change);
    return codesOf(await world.verify({ transcript, signatures: signAnew(world, transcript) }));
  }

  it('verifies with the witnesses it was signed by, and is what was held', async () => {
    const verification = await world.verify({ mode: 'rehearsal' });
    expect(codesOf(verification)).toEqual([]);
    if (!verification.ok) return;
    expect(verification.summary).toMatchObject({ mode: 'rehearsal', emulator: true, quorum: 2, resumed: 0 });
    expect(verification.summary.signers).toEqual(['alice', 'bob', 'carol']);
    expect(verification.summary.certificates.map(({ file }) => file)).toEqual(['root-g1.pem', 'subordinate-g1.pem']);
  });

  const rosterFile = (text: string) => {
    const file = join(world.dir, 'roster-of-apply');
    writeFileSync(file, text);
    return file;
  };
  /** What `hierarchy apply` asks before it adopts the CAs of the folder; the message of a refusal. */
  async function judged(
    roster: string | undefined,
    stage: 'dev' | 'prod',
    digest = (caId: string) =>
      sha256Hex(new X509Certificate(readFileSync(join(world.ceremonyDir, 'authorities', `${caId}-g1.pem`))).raw),
  ) {
    const adopted = ['root', 'subordinate'].map((caId) => ({ caId, generation: 1, sha256: digest(caId) }));
    const io = { workingDirectory: world.dir };
    const context = { option: () => roster, io } as unknown as CommandContext;
    try {
      return await judgeCeremony(context, world.ceremonyDir, adopted, stage);
    } catch (cause) {
      return cause instanceof CommandFailure ? `${cause.code}: ${cause.message}` : Promise.reject(cause);
    }
  }

  it('is what hierarchy apply adopts from: verified with a roster in dev, and otherwise said not to be', async () => {
    const standing = { verified: true, mode: 'rehearsal', quorum: 2, signers: ['alice', 'bob', 'carol'] };
    expect(await judged(rosterFile(world.roster), 'dev')).toMatchObject(standing);
    expect(await judged(undefined, 'dev')).toEqual({ verified: false, because: 'no-roster' });
  });

  it('lets hierarchy apply adopt nothing for each reason: no roster or a rehearsal in prod, a roster of others, another certificate', async () => {
    const roster = rosterFile(world.roster);
    expect(await judged(undefined, 'prod')).toMatch(
      /^roster-missing: outside dev nothing is adopted .* root generation 1/,
    );
    expect(await judged(roster, 'prod')).toMatch(/^ceremony-refused: [\s\S]*\n {2}mode-unexpected: /);
    expect(await judged(roster, 'dev', () => 'ab'.repeat(32))).toMatch(
      /certificate-not-shown: authorities\/root-g1\.pem [\s\S]*certificate-not-shown: authorities\/subordinate-g1\.pem /,
    );
    const other = makeSshKey(join(world.dir, 'mallory'));
    const foreign = world.roster.replace(/ssh-ed25519 \S+/, other.split(' ').slice(0, 2).join(' '));
    expect(await judged(rosterFile(foreign), 'dev')).toMatch(/^ceremony-refused: [\s\S]*\n {2}foreign-roster: /);
  });

  it('is refused for every one of its bytes that is changed (chain)', async () => {
    const bytes = world.transcript();
    const signatures = world.signatures();
    const reasons = new Map<string, number>();
    const accepted: number[] = [];
    for (let at = 0; at < bytes.length; at += 1) {
      const transcript = Buffer.from(bytes);
      transcript[at] = bytes[at]! ^ (1 << (at % 7));
      const codes = codesOf(await world.verify({ transcript, signatures }));
      if (codes.length === 0) accepted.push(at);
      for (const code of codes) reasons.set(code, (reasons.get(code) ?? 0) + 1);
    }
    expect(accepted).toEqual([]);
    // What is still canonical JSON is told by the record after it, and of the last record by the signatures.
    expect([...reasons.keys()]).toEqual(expect.arrayContaining(['not-canonical', 'chain-broken', 'signature-invalid']));
  }, 120_000);

  it('is refused with fewer signatures than the quorum (quorum-not-met)', async () => {
    expect(codesOf(await world.verify({ signatures: world.signatures(['alice', 'bob']) }))).toEqual([]);
    expect(codesOf(await world.verify({ signatures: world.signatures(['alice']) }))).toEqual(['quorum-not-met']);
    expect(codesOf(await world.verify({ signatures: [] }))).toEqual(['quorum-not-met']);
  });

  it('is refused when one witness signs under two names (witness-counted-twice)', async () => {
    const [alice, bob] = world.signatures(['alice', 'bob']);
    const signatures = [alice!, { ...alice!, name: 'dora' }, bob!];
    expect(codesOf(await world.verify({ signatures }))).toEqual(['witness-counted-twice']);
    const roster = `${world.roster}dora ${world.roster.split('\n')[3]!.replace(/^\S+ /, '')}\n`;
    expect(codesOf(await world.verify({ roster }))).toEqual(['roster-malformed']);
  });

  it('is refused for a signature of somebody else, of another purpose, or of another statement', async () => {
    makeSshKey(join(world.dir, 'stranger'));
    const good = world.signatures(['alice', 'bob']);
    const statement = `x`;
    const verify = async (name: string, keyFile: string, text: string, namespace?: string) =>
      codesOf(
        await world.verify({ signatures: [...good, { name, text: signWithSshKeygen(keyFile, text, namespace) }] }),
      );
    expect(await verify('stranger', join(world.dir, 'stranger'), statement)).toEqual(['signer-not-on-roster']);
    expect(await verify('carol', world.keyFile('carol'), statement, 'git')).toEqual(['namespace-wrong']);
    expect(await verify('carol', world.keyFile('carol'), statement)).toEqual(['signature-invalid']);
  });

  it('is refused for bytes behind its end or behind that of a signature', async () => {
    const behind = Buffer.concat([world.transcript(), Buffer.from('{}')]);
    expect(codesOf(await world.verify({ transcript: behind }))).toEqual(['trailing-bytes']);
    const line = Buffer.concat([world.transcript(), Buffer.from('\n')]);
    expect(codesOf(await world.verify({ transcript: line }))).toEqual(['not-canonical']);
    const [alice, bob, carol] = world.signatures();
    const blob = Buffer.from(alice!.text.replace(/-----.*-----|\s/g, ''), 'base64');
    const longer = Buffer.concat([blob, Buffer.alloc(3)]).toString('base64');
    const text = `-----BEGIN SSH SIGNATURE-----\n${longer}\n-----END SSH SIGNATURE-----\n`;
    expect(codesOf(await world.verify({ signatures: [{ name: 'alice', text }, bob!, carol!] }))).toEqual([
      'signature-malformed',
    ]);
  });

  it('is refused under a roster of another script or with other signers (foreign-roster)', async () => {
    const other = world.roster.replace(/sha256:[0-9a-f]{64}/, `sha256:${'0'.repeat(64)}`);
    expect(codesOf(await world.verify({ roster: other }))).toEqual(['foreign-roster']);
    const fewer = world.roster.split('\n').slice(0, 5).join('\n');
    expect(codesOf(await world.verify({ roster: fewer }))).toEqual(['foreign-roster']);
    const key = makeSshKey(join(world.dir, 'eve'));
    const added = `${world.roster}eve namespaces="sealwright-ceremony" ${key}\n`;
    expect(codesOf(await world.verify({ roster: added }))).toEqual(['foreign-roster']);
  });

  it('is refused for an act that is left out, twice or in another place, though signed anew', async () => {
    const without = (act: string) => forged((all) => all.filter((record) => record.act !== act));
    expect(await without('read-evidence')).toEqual(['act-missing']);
    expect(await without('identify-participants')).toEqual([
      'act-missing',
      ...Array(3).fill('witness-not-present'),
      'quorum-not-met',
    ]);
    expect(await without('close')).toEqual(['not-closed']);
    expect(await forged((all) => all.filter(({ kind, act }) => kind !== 'begun' || act !== 'self-sign'))).toEqual([
      'act-without-begin',
    ]);
    expect(
      await forged((all) => {
        const [evidence] = all.splice(-2, 1);
        all.splice(2, 0, { ...evidence!, at: all[1]!.at });
      }),
    ).toContain('act-out-of-order');
    expect(await forged((all) => void all.push(structuredClone(all.at(-1)!)))).toEqual(['act-repeated']);
    expect(await forged((all) => void Object.assign(all[2]!, { act: 'close', body: { certificates: [] } }))).toContain(
      'act-differs-from-script',
    );
  });

  it('is refused when its clock runs backwards, or a record is none', async () => {
    expect(await forged((all) => void Object.assign(all.at(-1)!, { at: '2020-01-01T00:00:00Z' }))).toEqual([
      'time-runs-backwards',
    ]);
    expect(await forged((all) => void Object.assign(all[1]!.body, { more: 1 }))).toEqual(['record-malformed']);
    expect(await forged((all) => void Object.assign(all[2]!.body, { emulator: 0.5 }))).toEqual(['record-malformed']);
  });

  it('is refused for another script or hierarchy than the one it carries', async () => {
    expect(
      await forged((all) => void Object.assign(bodyOf(all, 'opened', 'open').script as object, { text: 'x' })),
    ).toEqual(['digest-differs']);
    const hierarchy = (all: Parameters<Parameters<typeof forged>[0]>[0]) => {
      const held = bodyOf(all, 'opened', 'open').hierarchy as { text: string; sha256: string };
      held.text = held.text.replace('validity: 20y', 'validity: 15y');
      held.sha256 = sha256Hex(Buffer.from(held.text));
      return undefined;
    };
    expect(await forged(hierarchy)).toEqual(['certificate-unsound']);
  });

  it('is refused for documents that are not what they are recorded as, though signed anew', async () => {
    const flip = (text: unknown, from: number) => {
      const bytes = Buffer.from(String(text), 'base64');
      bytes[bytes.length - from] = bytes[bytes.length - from]! ^ 1;
      return { base64: bytes.toString('base64'), sha256: sha256Hex(bytes) };
    };
    expect(
      await forged((all) => {
        const body = bodyOf(all, 'done', 'self-sign');
        const { base64, sha256 } = flip(body.certificate, 1);
        Object.assign(body, { certificate: base64, certificateSha256: sha256 });
        const [listed] = bodyOf(all, 'done', 'close').certificates as { sha256: string }[];
        listed!.sha256 = sha256;
      }),
    ).toEqual(expect.arrayContaining(['certificate-unsound']));
    expect(
      await forged((all) => {
        const body = bodyOf(all, 'begun', 'certify-subordinate');
        const { base64, sha256 } = flip(body.request, 1);
        Object.assign(body, { request: base64, requestSha256: sha256 });
      }),
    ).toEqual(['possession-not-proven']);
    expect(
      await forged((all) => {
        const own = bodyOf(all, 'done', 'generate-key');
        const foreign = bodyOf(all, 'begun', 'certify-subordinate');
        Object.assign(own, { request: foreign.request, requestSha256: foreign.requestSha256 });
      }),
    ).toEqual(expect.arrayContaining(['key-differs', 'request-unsound']));
    expect(await forged((all) => void Object.assign(bodyOf(all, 'done', 'close'), { certificates: [] }))).toEqual([
      'certificates-differ',
    ]);
  });

  it.each([
    ['extractable', true],
    ['neverExtractable', false],
    ['alwaysSensitive', false],
    ['sensitive', false],
    ['local', false],
    ['token', false],
    ['sign', false],
  ] as const)('is refused when the module said %s: %s (custody-not-met)', async (attribute, value) => {
    const codes = await forged((all) => {
      const evidence = bodyOf(all, 'done', 'read-evidence').evidence as { attributes: Record<string, boolean> };
      evidence.attributes[attribute] = value;
    });
    expect([...new Set(codes)]).toEqual(['custody-not-met']);
  });

  it('is refused when its evidence is of another key, or the module is passed off as another', async () => {
    const other = 'f'.repeat(64);
    const codes = await forged((all) => {
      const evidence = bodyOf(all, 'done', 'read-evidence').evidence as object;
      Object.assign(evidence, { spkiSha256: other, keyId: `sha256:${other}` });
    });
    expect(codes).toContain('key-differs');
    expect(await forged((all) => void Object.assign(bodyOf(all, 'done', 'check-module'), { emulator: false }))).toEqual(
      ['custody-not-met'],
    );
  });

  it('is refused as a run when it was rehearsed, and a witness who was away does not count', async () => {
    expect(codesOf(await world.verify({ mode: 'run' }))).toEqual(['mode-unexpected']);
    const codes = await forged((all) => {
      const body = bodyOf(all, 'done', 'identify-participants');
      body.witnesses = (body.witnesses as unknown[]).slice(0, 2);
    });
    expect(codes).toEqual(['witness-not-present']);
  });

  it('is held against a rehearsal by what the script lets differ (differs-from-rehearsal)', async () => {
    expect(codesOf(await world.verify({ rehearsal: world.transcript() }))).toEqual([]);
    const rehearsal = rechained(records, (all) => {
      Object.assign(bodyOf(all, 'done', 'generate-key'), { spkiSha256: '0'.repeat(64) });
    });
    expect(codesOf(await world.verify({ rehearsal }))).toEqual([]);
    const requests = rechained(records, (all) => {
      Object.assign(bodyOf(all, 'begun', 'certify-subordinate'), { requestSha256: '0'.repeat(64) });
    });
    expect(codesOf(await world.verify({ rehearsal: requests }))).toEqual(['differs-from-rehearsal']);
  });

  it('is judged the same by the command, which exits 1 with every reason', () => {
    const roster = join(world.dir, 'roster');
    writeFileSync(roster, world.roster);
    const good = sealwright(['ceremony', 'verify', world.ceremonyDir, '--roster', roster, '--json']);
    expect(good.status, good.stderr).toBe(0);
    expect(JSON.parse(good.stdout)).toMatchObject({ verified: true, signers: ['alice', 'bob', 'carol'] });
    const bad = sealwright(['ceremony', 'verify', world.ceremonyDir, '--roster', roster, '--mode', 'run']);
    expect(bad.status).toBe(1);
    expect(bad.stdout).toContain('mode-unexpected');
    expect(sealwright(['ceremony', 'verify', world.ceremonyDir]).status).toBe(2);
  });
});
