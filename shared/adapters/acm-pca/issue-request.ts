/**
 * What is sent to IssueCertificate for a leaf. Subject and subject alternative names are always given: a template takes from
 * the CSR, unvalidated, whatever the API passthrough leaves out.
 */
import type {
  ApiPassthrough,
  CustomExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageType,
  Extensions,
  IssueCertificateCommandInput,
  GeneralName as PcaGeneralName,
} from '@aws-sdk/client-acm-pca';
import type { Intent } from '../../lints/prepared-issuance.ts';
import type { Extension } from '../../pki/certificate.ts';
import { keyUsageExtension, subjectAltNameExtension } from '../../pki/certificate-builder.ts';
import type { EpochMs } from '../../pki/epoch.ts';
import type { GeneralName } from '../../pki/names.ts';
import { oids } from '../../pki/oids.ts';
import { encodePem } from '../../pki/pem.ts';

export type TemplateIntent = Extract<Intent, { readonly kind: 'template' }>;

/** Bounds of the service model (ACM PCA 2017-08-22). What is larger is refused there; here it is refused without a call. */
const csrBytesMax = 32_768;
const namesMax = 150;
const uriCharactersMax = 253;
const customExtensionCharactersMax = 4_096;

/** A request that the service model has no room for. */
export class RequestTooLargeError extends Error {
  override readonly name = 'RequestTooLargeError';
}

/** Names of the purposes in the API; any other goes by its object identifier. */
const purposeTypes: Readonly<Record<string, ExtendedKeyUsageType>> = {
  [oids.serverAuth]: 'SERVER_AUTH',
  [oids.clientAuth]: 'CLIENT_AUTH',
};

function extendedKeyUsageOf(purposes: readonly string[]): ExtendedKeyUsage[] {
  return purposes.map((oid) => {
    const type = purposeTypes[oid];
    return type === undefined ? { ExtendedKeyUsageObjectIdentifier: oid } : { ExtendedKeyUsageType: type };
  });
}

/** An extension of ours, byte for byte. RequestTooLargeError beyond the model's 4,096 base64 characters. */
export function customExtension(extension: Extension): CustomExtension {
  const value = Buffer.from(extension.value).toString('base64');
  if (value.length > customExtensionCharactersMax) {
    throw new RequestTooLargeError(`extension ${extension.oid} is longer than ACM PCA takes in a custom extension`);
  }
  return { ObjectIdentifier: extension.oid, Value: value, Critical: extension.critical };
}

function pcaNameOf(name: GeneralName): PcaGeneralName | undefined {
  switch (name.kind) {
    case 'dns':
      return { DnsName: name.value };
    case 'uri':
      return name.value.length <= uriCharactersMax ? { UniformResourceIdentifier: name.value } : undefined;
    case 'ip':
      return { IpAddress: name.value };
    case 'email':
      return { Rfc822Name: name.value };
    default:
      return undefined;
  }
}

/**
 * The SAN in the API's own form where that says exactly what is meant; as a custom extension when it is critical, which the
 * API's form cannot say (RFC 5280 4.2.1.6 wants it for an empty subject), and for names that the form has no room for.
 */
function subjectAltNamesOf(intent: TemplateIntent): Pick<Extensions, 'SubjectAlternativeNames' | 'CustomExtensions'> {
  const names = intent.names.map(pcaNameOf).filter((name) => name !== undefined);
  const fits = names.length === intent.names.length && names.length <= namesMax;
  if (fits && !intent.sanCritical) return { SubjectAlternativeNames: names };
  return { CustomExtensions: [customExtension(subjectAltNameExtension(intent.names, intent.sanCritical))] };
}

/**
 * Key usage goes as a custom extension: the API's KeyUsage member does not say whether it is critical, which RFC 5280 4.2.1.3
 * asks for, and comes out as nine bits with trailing zeros (user guide, "Using the Matter standard"), which is not DER.
 */
function apiPassthroughOf(intent: TemplateIntent): ApiPassthrough {
  const { CustomExtensions: sanExtensions = [], ...san } = subjectAltNamesOf(intent);
  const usage = intent.keyUsage.length === 0 ? [] : [customExtension(keyUsageExtension(intent.keyUsage))];
  const custom = [...usage, ...sanExtensions];
  return {
    Subject: intent.commonName === undefined ? {} : { CommonName: intent.commonName },
    Extensions: {
      ...san,
      ...(intent.extendedKeyUsage.length === 0
        ? {}
        : { ExtendedKeyUsage: extendedKeyUsageOf(intent.extendedKeyUsage) }),
      ...(custom.length === 0 ? {} : { CustomExtensions: custom }),
    },
  };
}

/** An absolute time, in Unix seconds: a relative one would make a repeated call mean something else. */
export function absolute(at: EpochMs): { Type: 'ABSOLUTE'; Value: number } {
  return { Type: 'ABSOLUTE', Value: at / 1000 };
}

/** A CSR as the API takes it: PEM, as bytes. RequestTooLargeError beyond the model's 32 KiB. */
export function csrBytes(csrDer: Uint8Array): Uint8Array {
  const pem = Buffer.from(encodePem('CERTIFICATE REQUEST', csrDer), 'latin1');
  if (pem.length > csrBytesMax) throw new RequestTooLargeError('the CSR is longer than ACM PCA takes');
  return pem;
}

/**
 * The whole call, from the stored intent alone: the same intent gives the same call, whenever it is repeated.
 * RequestTooLargeError when the service model has no room for it.
 */
export function issueRequest(
  authorityArn: string,
  csrDer: Uint8Array,
  intent: TemplateIntent,
): IssueCertificateCommandInput {
  return {
    CertificateAuthorityArn: authorityArn,
    Csr: csrBytes(csrDer),
    SigningAlgorithm: intent.signingAlgorithm,
    TemplateArn: intent.templateArn,
    Validity: absolute(intent.notAfter),
    ValidityNotBefore: absolute(intent.notBefore),
    IdempotencyToken: intent.idempotencyToken,
    ApiPassthrough: apiPassthroughOf(intent),
  };
}
