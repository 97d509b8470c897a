import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { lints, runLints } from '../../shared/lints/index.ts';
import { subjectAltNameExtension, subjectKeyIdentifierExtension } from '../../shared/pki/certificate-builder.ts';
import { encodeCommonNameOnly, encodeDistinguishedName } from '../../shared/pki/names.ts';
import { encodeCaSigningAlgorithm } from '../../shared/pki/signature-algorithm.ts';
import { lintVectors } from '../support/lint-vectors.ts';
import {
  against,
  dayMs,
  type Leaf,
  leafKey,
  lintSubjectOf,
  makeCa,
  newEcTestKey,
  newEd25519TestKey,
  newRsaTestKey,
  serviceLeaf,
  svidLeaf,
  testTime,
  tlsLeaf,
  validityOf,
  withExtension,
  withKey,
  withoutExtension,
} from '../support/make-certificate.ts';

const lintsFolder = new URL('../../shared/lints/', import.meta.url);
/** Files of shared/lints that are no rule. */
const infrastructure = ['decoded', 'index', 'leaf-extensions', 'lint', 'prepared-issuance'];
const ruleFiles = readdirSync(lintsFolder)
  .map((file) => file.replace(/\.ts$/, ''))
  .filter((name) => !infrastructure.includes(name));
const profiles = readFileSync(new URL('../../docs/certificate-profiles.md', import.meta.url), 'utf8');

function citedAs(kind: 'lint' | 'policy'): readonly string[] {
  const cited = [...profiles.matchAll(new RegExp(`${kind} \`([a-z0-9-]+)\``, 'g'))].map(([, name]) => name ?? '');
  expect(cited.length).toBeGreaterThan(10);
  return cited;
}

const found = (leaf: Leaf): readonly string[] => runLints(lintSubjectOf(leaf)).map(({ lint }) => lint);
const camelCase = (name: string): string => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
const reads = (file: string): string => readFileSync(new URL(`${file}.ts`, lintsFolder), 'utf8');

describe('lints of a valid leaf', () => {
  const valid: readonly (readonly [string, () => Leaf])[] = [
    ['a device with a common name', () => tlsLeaf],
    ['a service with an empty subject', () => serviceLeaf],
    ['an SVID', () => svidLeaf],
    ['a P-384 key', () => withKey(tlsLeaf, newEcTestKey('P-384').publicKey.der)],
    ['a P-521 key', () => withKey(tlsLeaf, newEcTestKey('P-521').publicKey.der)],
    ['an RSA key', () => withKey(tlsLeaf, newRsaTestKey().publicKey.der)],
    ['an Ed25519 key', () => withKey(svidLeaf, newEd25519TestKey().publicKey.der)],
    ['a common name as PrintableString', () => ({ ...tlsLeaf, subjectName: printableSubject() })],
    ['a name too long for a common name', () => longNamed()],
    ['no CRL where none is expected', () => withoutCrl(tlsLeaf)],
    ['the SHA-1 key identifier of ACM PCA', () => withExtension(tlsLeaf, subjectKeyIdentifierExtension(sha1Id()))],
    ['an RSA issuer', () => underRsaIssuer()],
    ['a validity across 2050', () => across2050()],
  ];

  it.each(valid)('finds nothing in a leaf with %s', (_, leaf) => {
    expect(runLints(lintSubjectOf(leaf()))).toEqual([]);
  });
});

describe('lints of a leaf with one fault', () => {
  it.each(lintVectors.map((vector) => [vector.what, vector.breaks, vector.leaf] as const))(
    'reports a leaf %s (%s), and nothing else',
    (_, breaks, leaf) => {
      expect(found(leaf())).toEqual([breaks]);
    },
  );

  it('reports all faults of a leaf, in the order of the registry, each with its citation', () => {
    const leaf = withExtension({ ...tlsLeaf, subjectName: encodeDistinguishedName('O=Example Fleet') });
    const findings = runLints(lintSubjectOf(against(leaf, { lifetimeMsMax: 1000, crlExpected: false })));
    expect(findings.map(({ lint }) => lint)).toEqual([
      'validity-lifetime-max',
      'subject-only-common-name',
      'crl-distribution-point-expected',
    ]);
    for (const finding of findings) {
      expect(finding.citation).toBe(lints.find(({ name }) => name === finding.lint)?.citation);
      expect(finding.message).not.toBe('');
    }
  });
});

describe('lint registry', () => {
  it('registers every rule file under the name of its file, and nothing else', () => {
    expect(lints.map(({ name }) => name).sort()).toEqual([...ruleFiles].sort());
  });

  it.each(ruleFiles)('%s is one exported rule whose header cites a clause and says why', (file) => {
    const text = reads(file);
    expect([...text.matchAll(/^export const (\w+): Lint\b/gm)].map(([, name]) => name)).toEqual([camelCase(file)]);
    const [header = ''] = /^\/\*\*[\s\S]*?\*\//.exec(text) ?? [];
    expect(header).toMatch(/§\d|§[A-Z]|appendix|Profile/);
    expect(header.length).toBeGreaterThan(80);
    expect(lints.find(({ name }) => name === file)?.citation).toMatch(/§|appendix|docs\/certificate-profiles\.md/);
  });

  it.each(ruleFiles)('%s has a vector that breaks it', (file) => {
    expect(lintVectors.map(({ breaks }) => breaks)).toContain(file);
  });

  it.each(ruleFiles)('%s stands in docs/certificate-profiles.md', (file) => {
    expect(profiles).toContain(`\`${file}\``);
  });

  it('has no rule in docs/certificate-profiles.md that does not exist', () => {
    expect(citedAs('lint').filter((name) => !ruleFiles.includes(name))).toEqual([]);
  });

  it('has no policy code in docs/certificate-profiles.md that does not exist', () => {
    const source = ['hierarchy/violation.ts', 'pki/key-policy.ts']
      .map((file) => readFileSync(new URL(`../../shared/${file}`, import.meta.url), 'utf8'))
      .join('\n');
    expect(citedAs('policy').filter((code) => !source.includes(`| '${code}'`))).toEqual([]);
  });
});

function printableSubject(): Uint8Array {
  const encoded = encodeCommonNameOnly('sensor-17.fleet.example');
  return encoded.map((octet) => (octet === 0x0c ? 0x13 : octet));
}

function longNamed(): Leaf {
  const name = `${'a'.repeat(60)}.${'b'.repeat(60)}.fleet.example`;
  return withExtension(serviceLeaf, subjectAltNameExtension([{ kind: 'dns', value: name }], true));
}

function withoutCrl(leaf: Leaf): Leaf {
  return against(withoutExtension(leaf, '2.5.29.31'), { crlExpected: false });
}

function sha1Id(): Uint8Array {
  return createHash('sha1').update(leafKey.publicKey.bits).digest();
}

function underRsaIssuer(): Leaf {
  const ca = makeCa({ key: newRsaTestKey(), signingAlgorithm: 'SHA384WITHRSA' });
  const authorityKeyIdentifier = ca.certificate.tbs.extensions[2]?.value.subarray(2) ?? new Uint8Array(0);
  return against(
    withExtension(
      { ...tlsLeaf, algorithm: encodeCaSigningAlgorithm('SHA384WITHRSA') },
      { oid: '2.5.29.35', critical: false, value: Uint8Array.of(0x30, 22, 0x80, 20, ...authorityKeyIdentifier) },
    ),
    { issuer: ca.certificate },
  );
}

function across2050(): Leaf {
  const notBefore = Date.parse('2049-12-31T12:00:00Z');
  const ca = makeCa({ notBefore: testTime, notAfter: Date.parse('2051-01-01T00:00:00Z') });
  return withExtension(
    against({ ...tlsLeaf, validity: validityOf(notBefore, notBefore + dayMs) }, { issuer: ca.certificate }),
    {
      oid: '2.5.29.35',
      critical: false,
      value: Uint8Array.of(0x30, 22, 0x80, 20, ...(ca.certificate.tbs.extensions[2]?.value.subarray(2) ?? [])),
    },
  );
}
