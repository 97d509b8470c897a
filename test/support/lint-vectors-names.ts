/** Leaves whose subject or names are wrong, and what all vectors share. */
import {
  extendedKeyUsageExtension,
  nameConstraintsExtension,
  subjectAltNameExtension,
} from '../../shared/pki/certificate-builder.ts';
import * as der from '../../shared/pki/der/writer.ts';
import { encodeDistinguishedName, type GeneralName } from '../../shared/pki/names.ts';
import { oids } from '../../shared/pki/oids.ts';
import {
  against,
  dnsName,
  type Leaf,
  leafCa,
  makeCa,
  serviceLeaf,
  spiffeId,
  svidLeaf,
  tlsLeaf,
  withCriticality,
  withExtension,
  withoutExtension,
} from './make-certificate.ts';

export interface LintVector {
  readonly breaks: string;
  /** What is wrong, as the end of "reports a leaf …". */
  readonly what: string;
  readonly leaf: () => Leaf;
}

const dns = (...values: readonly string[]): readonly GeneralName[] => values.map((value) => ({ kind: 'dns', value }));
const uris = (...values: readonly string[]): readonly GeneralName[] => values.map((value) => ({ kind: 'uri', value }));

/** A service leaf (empty subject, critical SAN) with other names. */
const named = (names: readonly GeneralName[]): Leaf => withExtension(serviceLeaf, subjectAltNameExtension(names, true));
const svidNamed = (names: readonly GeneralName[]): Leaf =>
  withExtension(svidLeaf, subjectAltNameExtension(names, true));
const subject = (...values: readonly Uint8Array[]): Uint8Array =>
  der.sequence(...values.map((value) => der.set(der.sequence(der.oid(oids.commonName), value))));

/** A leaf held against another certificate of its CA. */
export const issuerWith = (options: Parameters<typeof makeCa>[0]): Leaf =>
  against(tlsLeaf, { issuer: makeCa({ key: leafCa.key, ...options }).certificate });

const longName = `${'a'.repeat(60)}.fleet.example`;

export const nameVectors: readonly LintVector[] = [
  {
    breaks: 'subject-only-common-name',
    what: 'with an organisation in its subject',
    leaf: () => ({ ...tlsLeaf, subjectName: encodeDistinguishedName(`CN=${dnsName},O=Example Fleet`) }),
  },
  {
    breaks: 'common-name-single',
    what: 'with two common names',
    leaf: () => ({ ...tlsLeaf, subjectName: subject(der.utf8String(dnsName), der.utf8String(dnsName)) }),
  },
  {
    breaks: 'common-name-length',
    what: 'with a common name of 74 characters',
    leaf: () =>
      withExtension(
        { ...tlsLeaf, subjectName: subject(der.utf8String(longName)) },
        subjectAltNameExtension(dns(longName), false),
      ),
  },
  {
    breaks: 'common-name-string-type',
    what: 'whose common name is an IA5String',
    leaf: () => ({ ...tlsLeaf, subjectName: subject(der.ia5String(dnsName)) }),
  },
  {
    breaks: 'common-name-is-dns-name',
    what: 'whose common name is none of its DNS names',
    leaf: () => ({ ...tlsLeaf, subjectName: subject(der.utf8String('sensor-18.fleet.example')) }),
  },
  {
    breaks: 'svid-subject-empty',
    what: 'that is an SVID with a subject',
    leaf: () =>
      withCriticality({ ...svidLeaf, subjectName: subject(der.utf8String('press')) }, oids.subjectAltName, false),
  },
  {
    breaks: 'subject-alternative-name-present',
    what: 'without a subject alternative name',
    leaf: () => withoutExtension(tlsLeaf, oids.subjectAltName),
  },
  {
    breaks: 'subject-alternative-name-critical-iff-subject-empty',
    what: 'with an empty subject and a name that is not critical',
    leaf: () => withCriticality(svidLeaf, oids.subjectAltName, false),
  },
  {
    breaks: 'subject-alternative-name-critical-iff-subject-empty',
    what: 'with a subject and a name that is critical',
    leaf: () => withCriticality(tlsLeaf, oids.subjectAltName, true),
  },
  {
    breaks: 'names-no-duplicate',
    what: 'with a name twice',
    leaf: () => named(dns(dnsName, 'a.fleet.example', dnsName)),
  },
  {
    breaks: 'names-within-name-constraints',
    what: 'outside the name constraints of its issuer',
    leaf: () =>
      issuerWith({
        extensions: [nameConstraintsExtension({ permitted: [{ kind: 'dns', value: 'other.example' }], excluded: [] })],
      }),
  },
  {
    breaks: 'names-within-name-constraints',
    what: 'outside the name constraints of a CA above its issuer',
    leaf: () => {
      const extension = nameConstraintsExtension({
        permitted: [],
        excluded: [{ kind: 'uri', value: 'fleet.example' }],
      });
      return against(svidLeaf, { issuerChain: [makeCa({ extensions: [extension] }).certificate] });
    },
  },
  {
    breaks: 'extended-key-usage-within-issuers',
    what: 'for a purpose that its issuer does not certify',
    leaf: () => issuerWith({ extensions: [extendedKeyUsageExtension([oids.clientAuth])] }),
  },
  {
    breaks: 'extended-key-usage-within-issuers',
    what: 'for a purpose that a CA above its issuer does not certify',
    leaf: () => {
      const extension = extendedKeyUsageExtension([oids.serverAuth]);
      return against(svidLeaf, { issuerChain: [makeCa({ extensions: [extension] }).certificate] });
    },
  },
  {
    breaks: 'tls-names-are-dns',
    what: 'with an address among its names',
    leaf: () => named([...dns(dnsName), { kind: 'ip', value: '10.0.0.1' }]),
  },
  { breaks: 'dns-name-syntax', what: 'with an underscore', leaf: () => named(dns('sensor_17.fleet.example')) },
  { breaks: 'dns-name-syntax', what: 'with a trailing dot', leaf: () => named(dns(`${dnsName}.`)) },
  { breaks: 'dns-name-syntax', what: 'with a label of 64', leaf: () => named(dns(`${'a'.repeat(64)}.example`)) },
  { breaks: 'dns-name-no-wildcard', what: 'with a wildcard', leaf: () => named(dns('*.fleet.example')) },
  { breaks: 'dns-name-lower-case', what: 'with a capital', leaf: () => named(dns('Sensor-17.fleet.example')) },
  {
    breaks: 'svid-names-are-uri',
    what: 'that is an SVID with a DNS name too',
    leaf: () => svidNamed([...uris(spiffeId), ...dns(dnsName)]),
  },
  {
    breaks: 'svid-uri-count',
    what: 'that is an SVID with two SPIFFE IDs',
    leaf: () => svidNamed(uris(spiffeId, `${spiffeId}/b`)),
  },
  {
    breaks: 'svid-spiffe-id-path',
    what: 'that is an SVID for a whole trust domain',
    leaf: () => svidNamed(uris('spiffe://fleet.example')),
  },
  {
    breaks: 'svid-spiffe-id-syntax',
    what: 'that is an SVID with another URI',
    leaf: () => svidNamed(uris('https://fleet.example/press')),
  },
  {
    breaks: 'svid-spiffe-id-syntax',
    what: 'that is an SVID with a query',
    leaf: () => svidNamed(uris(`${spiffeId}?a=b`)),
  },
];
