import { createHmac, createPrivateKey, type KeyObject, randomUUID, sign } from 'node:crypto';
import type { PreparedRequest } from './requests.ts';

/** How a server is asked for a certificate. `head`: request line and headers without Content-Length, each ended with CRLF. */
export type Dialect =
  /** `POST /v1/enrollments`: the request as PEM. */
  | { readonly kind: 'sealwright'; readonly head: string }
  /** `POST /1.0/sign` of step-ca: the request and a one-time token that a JWK provisioner's key signed. */
  | { readonly kind: 'step-ca'; readonly head: string; readonly provisioner: TokenProvisioner }
  /** `POST /api/v1/cfssl/authsign`: the request in JSON, and its HMAC-SHA-256 under a key of 16 bytes in hexadecimal. */
  | { readonly kind: 'cfssl'; readonly head: string; readonly authKeyHex: string };

export interface TokenProvisioner {
  readonly name: string;
  readonly keyId: string;
  /** P-256, PKCS #8. */
  readonly privateKeyPem: string;
  /** Address of the sign endpoint, as the server knows itself. */
  readonly audience: string;
}

/** The status of an answer that holds a certificate. */
export const successStatus: Readonly<Record<Dialect['kind'], number>> = { sealwright: 200, 'step-ca': 201, cfssl: 200 };

/** Whole HTTP requests, ready to be sent: nothing of them is left for the timed part. */
export function wholeRequests(dialect: Dialect, requests: readonly PreparedRequest[]): readonly Uint8Array[] {
  const bodyOf = bodyWriter(dialect);
  return requests.map((request) => {
    const body = bodyOf(request);
    return Buffer.from(`${dialect.head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`, 'latin1');
  });
}

function bodyWriter(dialect: Dialect): (request: PreparedRequest) => string {
  switch (dialect.kind) {
    case 'sealwright':
      return ({ csrPem }) => csrPem;
    case 'step-ca': {
      const key = createPrivateKey(dialect.provisioner.privateKeyPem);
      return ({ csrPem, name }) =>
        JSON.stringify({ csr: csrPem, ott: oneTimeToken(dialect.provisioner, key, name, Date.now()) });
    }
    case 'cfssl': {
      const key = Buffer.from(dialect.authKeyHex, 'hex');
      return ({ csrPem }) => {
        const inner = JSON.stringify({ certificate_request: csrPem });
        const token = createHmac('sha256', key).update(inner).digest('base64');
        return JSON.stringify({ token, request: Buffer.from(inner).toString('base64') });
      };
    }
  }
}

const tokenSecondsMax = 3_600;

/** A JSON Web Token (RFC 7519) of algorithm ES256 as `step ca token` makes it: good once, for this one name. */
export function oneTimeToken(provisioner: TokenProvisioner, key: KeyObject, name: string, nowMs: number): string {
  const { audience, keyId, name: issuer } = provisioner;
  const now = Math.floor(nowMs / 1000);
  const claims = {
    iss: issuer,
    aud: audience,
    sub: name,
    sans: [name],
    iat: now,
    nbf: now,
    exp: now + tokenSecondsMax,
    jti: randomUUID(),
  };
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'ES256', kid: keyId, typ: 'JWT' })}.${part(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

/** The PEM of the certificate in an answer of `successStatus`; undefined when there is none where it belongs. */
export function certificateIn(kind: Dialect['kind'], body: Buffer): string | undefined {
  let answer: {
    readonly certificate?: unknown;
    readonly crt?: unknown;
    readonly result?: { readonly certificate?: unknown };
  };
  try {
    answer = JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
  const found =
    kind === 'sealwright' ? answer.certificate : kind === 'step-ca' ? answer.crt : answer.result?.certificate;
  return typeof found === 'string' ? found : undefined;
}
