import { generateKeyPairSync, sign } from 'node:crypto';
import {
  assembleCertificationRequest,
  buildCertificationRequestInfo,
  subjectAltNameExtension,
} from '../../shared/pki/certificate-builder.ts';
import { encodeCommonNameOnly } from '../../shared/pki/names.ts';
import { encodePem } from '../../shared/pki/pem.ts';
import { encodeCaSigningAlgorithm } from '../../shared/pki/signature-algorithm.ts';

/** A certification request with a key of its own, and what its certificate has to say. */
export interface PreparedRequest {
  readonly csrDer: Uint8Array;
  readonly csrPem: string;
  readonly name: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
}

const signatureAlgorithm = encodeCaSigningAlgorithm('SHA256WITHECDSA');
const emptySubject = encodeCommonNameOnly(undefined);

/** P-256, empty subject, one DNS name below `fleet.example`; about 0.1 ms each. The private key is dropped. */
export function prepareRequest(tag: string, number: number): PreparedRequest {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  const name = `${tag}-${number}.fleet.example`;
  const info = buildCertificationRequestInfo(emptySubject, spki, [
    subjectAltNameExtension([{ kind: 'dns', value: name }], false),
  ]);
  const csrDer = assembleCertificationRequest(info, signatureAlgorithm, sign('sha256', info, privateKey));
  return { csrDer, csrPem: encodePem('CERTIFICATE REQUEST', csrDer), name, spki };
}

export function prepareRequests(tag: string, count: number): readonly PreparedRequest[] {
  return Array.from({ length: count }, (_, number) => prepareRequest(tag, number));
}
