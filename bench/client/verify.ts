import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { Reply } from './connection.ts';
import { certificateIn, type Dialect, successStatus } from './dialect.ts';
import type { PreparedRequest } from './requests.ts';

/**
 * What is wrong with an answer, undefined when it is a certificate for the request: signed by the issuer's key, for the
 * key and the one name asked for. Read by node:crypto, not by the parser that made it. `issuerKey` was learnt apart from
 * the answer.
 */
export function replyFault(
  kind: Dialect['kind'],
  reply: Reply,
  request: PreparedRequest,
  issuerKey: KeyObject,
): string | undefined {
  if (reply.status !== successStatus[kind]) return `status ${reply.status}: ${codeOf(reply)}`;
  const pem = certificateIn(kind, reply.body);
  if (pem === undefined) return 'no certificate in the answer';
  const certificate = new X509Certificate(pem);
  if (!certificate.verify(issuerKey)) return "the signature does not verify under the issuer's key";
  const spki = certificate.publicKey.export({ format: 'der', type: 'spki' });
  if (Buffer.compare(spki, request.spki) !== 0) return 'another key than was asked for';
  if (certificate.subjectAltName !== `DNS:${request.name}`) return `other names: ${certificate.subjectAltName}`;
  return undefined;
}

/** Key of the first certificate of a PEM text. */
export function issuerKeyOf(certificatePem: string): KeyObject {
  return createPublicKey(new X509Certificate(certificatePem).publicKey.export({ format: 'pem', type: 'spki' }));
}

function codeOf(reply: Reply): string {
  const text = reply.body.toString('utf8');
  const named = /"(?:code|status)":"([a-z-]{1,40})"/.exec(text)?.[1];
  return named ?? /"message":"([^"]{1,120})/.exec(text)?.[1] ?? 'no code';
}
