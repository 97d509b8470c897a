import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { SealwrightError } from '../../issuance/errors.ts';
import type { EnrolmentCredential, Operator, OperatorRole } from '../../issuance/issuance-record.ts';
import type { Clock, CredentialStore, OperatorStore } from '../../issuance/ports.ts';
import { sha256Hex } from '../../pki/hash.ts';

export const enrolmentSecretPrefix = 'sw_e_';
export const operatorSecretPrefix = 'sw_o_';
/** A secret is its prefix and 32 random bytes in base64url: 43 characters. */
const secretForm = /^sw_[eo]_[A-Za-z0-9_-]{43}$/;

/** SHA-256 of a secret, what the ledger knows it by. */
export function secretSha256(secret: string): string {
  return sha256Hex(secret);
}

/** Takes the secret from `Authorization: Bearer`. Throws `credential-missing`, `credential-invalid`. */
function bearerSecret(event: APIGatewayProxyEventV2): string {
  const match = /^Bearer +(\S+) *$/i.exec(event.headers.authorization ?? '');
  if (match === null) throw new SealwrightError('credential-missing');
  if (!secretForm.test(match[1]!)) throw new SealwrightError('credential-invalid');
  return match[1]!;
}

/** The enrolment credential behind a request: known, not revoked, not expired. Throws 401 errors. */
export async function authenticateDevice(
  event: APIGatewayProxyEventV2,
  credentials: CredentialStore,
  clock: Clock,
): Promise<EnrolmentCredential> {
  const secret = bearerSecret(event);
  const credential = secret.startsWith(enrolmentSecretPrefix)
    ? await credentials.findBySha256(secretSha256(secret))
    : undefined;
  if (credential === undefined || credential.revokedAt !== undefined || credential.expiresAt <= clock())
    throw new SealwrightError('credential-invalid');
  return credential;
}

/** The operator behind a request. Throws 401 errors; `role-missing` (403) when the operator lacks the role. */
export async function authenticateOperator(
  event: APIGatewayProxyEventV2,
  operators: OperatorStore,
  clock: Clock,
  role: OperatorRole,
): Promise<Operator> {
  const operator = await findOperator(bearerSecret(event), operators, clock);
  if (operator === undefined) throw new SealwrightError('credential-invalid');
  if (!operator.roles.includes(role))
    throw new SealwrightError('role-missing', { clientDetail: `the call needs the role ${role}` });
  return operator;
}

async function findOperator(secret: string, operators: OperatorStore, clock: Clock): Promise<Operator | undefined> {
  const operator = secret.startsWith(operatorSecretPrefix)
    ? await operators.findBySha256(secretSha256(secret))
    : undefined;
  if (operator === undefined || operator.revokedAt !== undefined) return undefined;
  return operator.expiresAt !== undefined && operator.expiresAt <= clock() ? undefined : operator;
}

export type Caller =
  | { readonly kind: 'device'; readonly credential: EnrolmentCredential }
  | { readonly kind: 'operator'; readonly operator: Operator };

/** Whoever calls. Throws 401 errors. */
export async function authenticateAny(
  event: APIGatewayProxyEventV2,
  credentials: CredentialStore,
  operators: OperatorStore,
  clock: Clock,
): Promise<Caller> {
  const secret = bearerSecret(event);
  if (secret.startsWith(enrolmentSecretPrefix))
    return { kind: 'device', credential: await authenticateDevice(event, credentials, clock) };
  const operator = await findOperator(secret, operators, clock);
  if (operator === undefined) throw new SealwrightError('credential-invalid');
  return { kind: 'operator', operator };
}
