import { sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  type Intent,
  isRedeemed,
  lintAndPrepare,
  type PrepareCandidate,
  type PreparedIssuance,
  redeem,
  type ThrowawaySignature,
} from '../../shared/lints/prepared-issuance.ts';
import { parseTbsCertificate } from '../../shared/pki/certificate.ts';
import * as der from '../../shared/pki/der/writer.ts';
import { oids } from '../../shared/pki/oids.ts';
import {
  dnsName,
  leafCa,
  leafKey,
  newEcTestKey,
  svidLeaf,
  tbsOf,
  testTime,
  tlsLeaf,
} from '../support/make-certificate.ts';

const throwawayKey = newEcTestKey();
const throwaway: ThrowawaySignature = {
  publicKey: throwawayKey.publicKey,
  signature: sign('sha256', throwawayKey.publicKey.der, throwawayKey.privateKey),
};
const tbsDer = tbsOf(tlsLeaf);
const { notBefore, notAfter, serialHex } = parseTbsCertificate(tbsDer);
const common = { notBefore, notAfter, signingAlgorithm: 'SHA256WITHECDSA', at: testTime } as const;
const tbsIntent = { kind: 'tbs', tbsDer, serial: serialHex, ...common } as const;
const templateIntent = {
  kind: 'template',
  templateArn: 'arn:aws:acm-pca:::template/BlankEndEntityCertificate_CriticalBasicConstraints_APIPassthrough/V1',
  commonName: dnsName,
  names: [{ kind: 'dns', value: dnsName }],
  sanCritical: false,
  keyUsage: ['digitalSignature'],
  extendedKeyUsage: [oids.serverAuth, oids.clientAuth],
  spkiSha256: leafKey.publicKey.sha256,
  idempotencyToken: 'token',
  ...common,
} as const;

function candidateOf(intent: Intent, changes: Partial<PrepareCandidate> = {}): PrepareCandidate {
  const { issuer, ...rest } = tlsLeaf.against;
  return {
    issuanceId: 'request.1',
    caId: 'workloads',
    csrDer: Uint8Array.of(0x30, 0),
    intent,
    lintTbs: tbsDer,
    subject: { issuer, ...rest },
    algorithm: 'SHA256WITHECDSA',
    ...changes,
  };
}

function preparedOf(intent: Intent): PreparedIssuance {
  const outcome = lintAndPrepare(candidateOf(intent), throwaway);
  if (outcome.kind !== 'prepared') throw new Error(`refused: ${outcome.findings.map(({ lint }) => lint).join()}`);
  return outcome.prepared;
}

describe('preparing an issuance', () => {
  it.each([['tbs', tbsIntent] as const, ['template', templateIntent] as const])(
    'mints a %s intent that passes every lint',
    (kind, intent) => {
      const prepared = preparedOf(intent);
      expect(prepared).toMatchObject({ issuanceId: 'request.1', caId: 'workloads', intent: { kind } });
      expect(prepared.intent).toEqual(intent);
      expect(isRedeemed(prepared)).toBe(false);
    },
  );

  it('refuses with all findings and mints nothing', () => {
    const subject = { ...tlsLeaf.against, lifetimeMsMax: 1000, crlExpected: false };
    expect(lintAndPrepare(candidateOf(tbsIntent, { subject }), throwaway)).toEqual({
      kind: 'refused',
      findings: [
        expect.objectContaining({ lint: 'validity-lifetime-max' }),
        expect.objectContaining({ lint: 'crl-distribution-point-expected' }),
      ],
    });
  });

  it.each([
    ['of version 1', { ...tlsLeaf, version: new Uint8Array(0) }],
    ['with an extension twice', { ...tlsLeaf, extensions: [...tlsLeaf.extensions, ...tlsLeaf.extensions] }],
    [
      'of another signature algorithm inside than outside',
      { ...tlsLeaf, algorithm: der.sequence(der.oid(oids.ecdsaWithSha384)) },
    ],
  ])('refuses a certificate %s (certificate-well-formed)', (_, leaf) => {
    const outcome = lintAndPrepare(candidateOf(tbsIntent, { lintTbs: tbsOf(leaf) }), throwaway);
    expect(outcome).toEqual({
      kind: 'refused',
      findings: [{ lint: 'certificate-well-formed', citation: 'RFC 5280 §4.1', message: expect.any(String) }],
    });
  });

  it('refuses bytes that are no certificate (certificate-well-formed)', () => {
    const outcome = lintAndPrepare(candidateOf(tbsIntent, { lintTbs: Uint8Array.of(0xff, 0xff) }), throwaway);
    expect(outcome.kind).toBe('refused');
  });

  it("takes no signature of the issuer's key", () => {
    const { privateKey, publicKey } = leafCa.key;
    const signature = sign('sha256', publicKey.der, privateKey);
    expect(() => lintAndPrepare(candidateOf(tbsIntent), { publicKey, signature })).toThrow(
      "the throwaway key is the issuer's",
    );
  });

  it.each([
    ['other bytes', { ...tbsIntent, tbsDer: tbsOf(svidLeaf) }],
    ['another serial', { ...tbsIntent, serial: '41' }],
    ['another notBefore', { ...tbsIntent, notBefore: notBefore + 1000 }],
    ['another notAfter', { ...tbsIntent, notAfter: notAfter + 1000 }],
    ['another algorithm', { ...tbsIntent, signingAlgorithm: 'SHA384WITHECDSA' }],
    ['another notAfter in a template', { ...templateIntent, notAfter: notAfter + 1000 }],
    ['another key', { ...templateIntent, spkiSha256: throwawayKey.publicKey.sha256 }],
    ['another common name', { ...templateIntent, commonName: 'other.fleet.example' }],
    ['another name', { ...templateIntent, names: [{ kind: 'dns', value: 'other.fleet.example' }] }],
    [
      'a name more',
      { ...templateIntent, names: [...templateIntent.names, { kind: 'dns', value: 'other.fleet.example' }] },
    ],
    ['another criticality', { ...templateIntent, sanCritical: true }],
    ['a key usage more', { ...templateIntent, keyUsage: ['digitalSignature', 'keyCertSign'] }],
    ['a purpose less', { ...templateIntent, extendedKeyUsage: [oids.serverAuth] }],
  ] satisfies readonly (readonly [string, Intent])[])('throws for an intent with %s than was linted', (_, intent) => {
    expect(() => lintAndPrepare(candidateOf(intent), throwaway)).toThrow(/was linted|were linted/);
  });

  it.each([
    ['an array', new Uint8Array(tbsDer)],
    ['a Buffer, whose slice is no copy', Buffer.from(tbsDer)],
  ])('keeps the bytes it linted apart from those of the candidate, in %s', (_, bytes) => {
    const prepared = preparedOf({ ...tbsIntent, tbsDer: bytes });
    bytes.fill(0);
    const intent = redeem(prepared);
    expect(intent.kind === 'tbs' && Buffer.compare(intent.tbsDer, tbsDer)).toBe(0);
    expect(Object.isFrozen(prepared) && Object.isFrozen(prepared.intent)).toBe(true);
  });
});

describe('redeeming a prepared issuance', () => {
  it('answers the intent once and throws the second time', () => {
    const prepared = preparedOf(tbsIntent);
    expect(redeem(prepared)).toBe(prepared.intent);
    expect(isRedeemed(prepared)).toBe(true);
    expect(() => redeem(prepared)).toThrow('redeemed once');
    expect(isRedeemed(prepared)).toBe(true);
  });

  it('throws for a copy and for anything that linting did not make', () => {
    const prepared = preparedOf(tbsIntent);
    for (const forged of [{ ...prepared }, structuredClone(prepared), Object.create(prepared)]) {
      expect(() => redeem(forged as PreparedIssuance)).toThrow('only linting');
      expect(isRedeemed(forged as PreparedIssuance)).toBe(false);
    }
    redeem(prepared);
    expect(isRedeemed({ ...prepared })).toBe(false);
  });

  it('redeems two preparations of one intent apart from each other', () => {
    const [first, second] = [preparedOf(tbsIntent), preparedOf(tbsIntent)];
    redeem(first);
    expect(isRedeemed(second)).toBe(false);
    expect(redeem(second)).toEqual(tbsIntent);
  });
});
