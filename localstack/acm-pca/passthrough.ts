/** Extensions that the caller hands over in ApiPassthrough or CsrExtensions, as X.509 extensions. */
import type {
  CustomExtension,
  ExtendedKeyUsage,
  Extensions,
  KeyUsage,
  PolicyInformation,
} from '@aws-sdk/client-acm-pca';
import type { Extension } from '../../shared/pki/certificate.ts';
import { extendedKeyUsageExtension, keyUsageExtension } from '../../shared/pki/certificate-builder.ts';
import type { KeyUsageName } from '../../shared/pki/certification-request.ts';
import * as der from '../../shared/pki/der/writer.ts';
import { oids } from '../../shared/pki/oids.ts';
import { refuse } from './errors.ts';
import { encodeArgument, encodeNames } from './names.ts';
import { purposes } from './purposes.ts';

const cpsQualifier = '1.3.6.1.5.5.7.2.1';

const usageNames: Readonly<Record<keyof KeyUsage, KeyUsageName>> = {
  DigitalSignature: 'digitalSignature',
  NonRepudiation: 'nonRepudiation',
  KeyEncipherment: 'keyEncipherment',
  DataEncipherment: 'dataEncipherment',
  KeyAgreement: 'keyAgreement',
  KeyCertSign: 'keyCertSign',
  CRLSign: 'cRLSign',
  EncipherOnly: 'encipherOnly',
  DecipherOnly: 'decipherOnly',
};

/** Names of the usages that are true. */
export function usagesOf(usage: KeyUsage): readonly KeyUsageName[] {
  return (Object.keys(usageNames) as (keyof KeyUsage)[]).flatMap((name) =>
    usage[name] === true ? [usageNames[name]] : [],
  );
}

/**
 * KeyUsage, critical, as the service encodes it: always nine bits, the ninth in an octet of its own (user guide,
 * "Matter-compliant certificate errors"). X.690 11.2.2 asks DER for no trailing zero bits, so a strict reader has to know.
 */
export function nineBitKeyUsage(usages: readonly KeyUsageName[]): Extension {
  const minimal = keyUsageExtension(usages);
  // BIT STRING header, count of unused bits, then one octet of bits, or two with decipherOnly.
  const [first = 0, second = 0] = minimal.value.subarray(3);
  return { ...minimal, value: der.bitString(Uint8Array.of(first, second), 7) };
}

function purposeOf(usage: ExtendedKeyUsage): string {
  const { ExtendedKeyUsageType: type, ExtendedKeyUsageObjectIdentifier: id } = usage;
  if ((type === undefined) === (id === undefined)) {
    refuse('InvalidArgsException', 'An ExtendedKeyUsage has either a type or an object identifier.');
  }
  return type === undefined ? (id ?? '') : purposes[type];
}

function policiesExtension(policies: readonly PolicyInformation[]): Extension {
  const encoded = policies.map(({ CertPolicyId = '', PolicyQualifiers = [] }) => {
    const qualifiers = PolicyQualifiers.map(({ Qualifier }) =>
      der.sequence(der.oid(cpsQualifier), der.ia5String(Qualifier?.CpsUri ?? '')),
    );
    const id = der.oid(CertPolicyId);
    return qualifiers.length === 0 ? der.sequence(id) : der.sequence(id, der.sequence(...qualifiers));
  });
  return { oid: oids.certificatePolicies, critical: false, value: der.sequence(...encoded) };
}

function customExtension(given: CustomExtension): Extension {
  const { ObjectIdentifier: oid = '', Value = '', Critical = false } = given;
  der.oid(oid); // a RangeError here, not when the certificate is put together
  return { oid, critical: Critical, value: Buffer.from(Value, 'base64') };
}

/**
 * The extensions of an API passthrough. Key usage is critical, the others are not, custom ones as they say; the SAN's
 * criticality is settled later with the subject. InvalidArgsException for what cannot be encoded and for one OID twice.
 */
export function apiExtensions(given: Extensions): readonly Extension[] {
  return encodeArgument('An extension', () => {
    const usages = given.KeyUsage === undefined ? [] : usagesOf(given.KeyUsage);
    const names = given.SubjectAlternativeNames;
    const extensions: readonly Extension[] = [
      ...(usages.length === 0 ? [] : [nineBitKeyUsage(usages)]),
      ...(given.ExtendedKeyUsage === undefined
        ? []
        : [extendedKeyUsageExtension(given.ExtendedKeyUsage.map(purposeOf))]),
      ...(names === undefined ? [] : [{ oid: oids.subjectAltName, critical: false, value: encodeNames(names) }]),
      ...(given.CertificatePolicies === undefined ? [] : [policiesExtension(given.CertificatePolicies)]),
      ...(given.CustomExtensions ?? []).map(customExtension),
    ];
    if (new Set(extensions.map(({ oid }) => oid)).size !== extensions.length) {
      refuse('InvalidArgsException', 'An extension is given twice.');
    }
    return extensions;
  });
}
