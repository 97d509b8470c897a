/** Records for tests of ledgers. No two of them share an id, a name, a key or a digest unless a test says so. */
import type {
  EnrolmentCredential,
  InstalledAuthority,
  IssuanceError,
  IssuedCertificate,
  NewIssuance,
} from '../../shared/issuance/issuance-record.ts';
import type { IssuanceState } from '../../shared/issuance/issuance-state.ts';
import type { CredentialStore, IssuanceLedger, Transition } from '../../shared/issuance/ports.ts';
import type { PreparedIssuance } from '../../shared/lints/prepared-issuance.ts';
import type { EpochMs } from '../../shared/pki/epoch.ts';
import { sha256, sha256Hex } from '../../shared/pki/hash.ts';
import { makePrepared, newSerial, type PreparedOptions } from './make-prepared.ts';

export const ledgerTime: EpochMs = Date.parse('2026-11-23T12:00:00Z');
export const minuteMs = 60_000;
export const dayMs = 24 * 60 * minuteMs;

let made = 0;
const utf8 = new TextEncoder();

/** A text that nothing else in this process, or in another test process, has. */
export function unique(prefix: string): string {
  made += 1;
  return `${prefix}-${process.pid}-${made}`;
}

export function digestOf(text: string): string {
  return sha256Hex(utf8.encode(text));
}

export function newCredential(changes: Partial<EnrolmentCredential> = {}): EnrolmentCredential {
  const id = unique('credential');
  return {
    id,
    principal: `principal-of-${id}`,
    owner: 'plant-7',
    fleet: 'sensors',
    profiles: ['device', 'service'],
    names: { dns: ['*.fleet.example'], spiffe: ['spiffe://fleet.example/*'], ip: [] },
    countMax: 1_000,
    used: 0,
    createdAt: ledgerTime,
    expiresAt: ledgerTime + 30 * dayMs,
    sha256: digestOf(id),
    ...changes,
  };
}

export function newIssuance(credential: EnrolmentCredential, changes: Partial<NewIssuance> = {}): NewIssuance {
  const request = unique('request');
  const csrDer = utf8.encode(`certification request of ${request}`);
  return {
    requestId: Buffer.from(sha256(utf8.encode(request))).toString('base64url'),
    ordinal: 1,
    principal: credential.principal,
    credentialId: credential.id,
    owner: credential.owner,
    fleet: credential.fleet,
    scope: { profiles: credential.profiles, names: credential.names },
    profile: 'device',
    policyVersion: '0123456789abcdef',
    caId: 'devices',
    generation: 1,
    csrDer,
    csrSha256: sha256Hex(csrDer),
    spkiSha256: digestOf(`key of ${request}`),
    keyType: 'P-256',
    names: [`dns:${request}.fleet.example`],
    receivedAt: ledgerTime,
    ...changes,
  };
}

export function newCertificate(changes: Partial<IssuedCertificate> = {}): IssuedCertificate {
  const der = utf8.encode(unique('certificate'));
  return {
    der,
    serial: newSerial(),
    notBefore: ledgerTime,
    notAfter: ledgerTime + 90 * dayMs,
    fingerprint: sha256Hex(der),
    ...changes,
  };
}

export function newAuthority(changes: Partial<InstalledAuthority> = {}): InstalledAuthority {
  const caId = changes.caId ?? unique('ca');
  return {
    caId,
    generation: 1,
    tier: 'issuance',
    parent: 'example-root',
    backend: 'pkcs11',
    backendRef: `${caId}-g1`,
    certificateDer: utf8.encode(`certificate of ${caId}`),
    chain: [utf8.encode('issuer'), utf8.encode('root')],
    spkiSha256: digestOf(`key of ${caId}`),
    notBefore: ledgerTime - dayMs,
    notAfter: ledgerTime + 365 * dayMs,
    installedAt: ledgerTime,
    ...changes,
  };
}

export const lostAnswer: IssuanceError = { code: 'answer-lost', message: 'the connection ended', at: ledgerTime };

/** Moves, with the fields that a test does not care about filled in. */
export const moves = {
  approve: (issuanceId: string, changes: Partial<Extract<Transition, { to: 'approved' }>> = {}): Transition => ({
    to: 'approved',
    issuanceId,
    from: 'received',
    at: ledgerTime + 1,
    policyVersion: 'fedcba9876543210',
    caId: 'devices',
    generation: 1,
    droppedExtensions: [],
    ...changes,
  }),
  reject: (issuanceId: string, changes: Partial<Extract<Transition, { to: 'rejected' }>> = {}): Transition => ({
    to: 'rejected',
    issuanceId,
    from: 'received',
    at: ledgerTime + 1,
    policyVersion: 'fedcba9876543210',
    violations: [{ code: 'names-missing', field: 'subjectAltName', message: 'no name', reference: 'profile' }],
    ...changes,
  }),
  lapse: (issuanceId: string, from: 'received' | 'approved' = 'approved'): Transition => ({
    to: 'lapsed',
    issuanceId,
    from,
    at: ledgerTime + 2,
  }),
  intend: (prepared: PreparedIssuance, crlShard?: number): Transition => ({
    to: 'intended',
    from: 'approved',
    at: ledgerTime + 2,
    prepared,
    ...(crlShard === undefined ? {} : { crlShard }),
  }),
  submit: (issuanceId: string, ticket = unique('arn:aws:acm-pca:certificate')): Transition => ({
    to: 'submitted',
    issuanceId,
    from: 'intended',
    at: ledgerTime + 3,
    ticket,
  }),
  issue: (
    issuanceId: string,
    certificate: IssuedCertificate,
    changes: Partial<Extract<Transition, { to: 'issued' }>> = {},
  ): Transition => ({ to: 'issued', issuanceId, from: 'intended', at: ledgerTime + 4, certificate, ...changes }),
  misissue: (issuanceId: string, from: 'intended' | 'submitted' = 'intended'): Transition => ({
    to: 'misissued',
    issuanceId,
    from,
    at: ledgerTime + 4,
    certificateDer: utf8.encode(unique('withheld certificate')),
    error: { code: 'not-as-intended', message: 'another name', at: ledgerTime + 4 },
  }),
  fail: (issuanceId: string, from: 'approved' | 'intended' | 'submitted' = 'intended'): Transition => ({
    to: 'failed',
    issuanceId,
    from,
    at: ledgerTime + 4,
    error: { code: 'MalformedCSRException', message: 'refused', at: ledgerTime + 4 },
  }),
  suspect: (issuanceId: string): Transition => ({
    to: 'orphan-suspected',
    issuanceId,
    from: 'intended',
    at: ledgerTime + 4,
    error: lostAnswer,
  }),
  revoke: (issuanceId: string, reason = 'superseded'): Transition => ({
    to: 'revoked',
    issuanceId,
    from: 'issued',
    at: ledgerTime + 5,
    reason,
  }),
};

export interface Guided {
  readonly issuanceId: string;
  readonly issuance: NewIssuance;
  readonly certificate: IssuedCertificate;
}

export interface GuideOptions {
  readonly issuance?: Partial<NewIssuance>;
  readonly certificate?: Partial<IssuedCertificate>;
  readonly prepared?: PreparedOptions;
}

/** The way from `received` to each state. */
const pathTo: Readonly<Record<IssuanceState, readonly IssuanceState[]>> = {
  received: [],
  approved: ['approved'],
  rejected: ['rejected'],
  lapsed: ['lapsed'],
  intended: ['approved', 'intended'],
  submitted: ['approved', 'intended', 'submitted'],
  'orphan-suspected': ['approved', 'intended', 'orphan-suspected'],
  issued: ['approved', 'intended', 'issued'],
  failed: ['approved', 'intended', 'failed'],
  misissued: ['approved', 'intended', 'misissued'],
  revoked: ['approved', 'intended', 'issued', 'revoked'],
};

/** Brings a new issuance to a state, by the shortest way. The intent is a `tbs`. */
export async function guideTo(
  state: IssuanceState,
  ports: { readonly ledger: IssuanceLedger; readonly credentials: CredentialStore },
  options: GuideOptions = {},
): Promise<Guided> {
  const credential = newCredential();
  await ports.credentials.create(credential);
  const issuance = newIssuance(credential, options.issuance);
  const received = await ports.ledger.receive(issuance);
  if (received.kind !== 'received') throw new Error(received.kind);
  const { issuanceId } = received.record;
  const { caId, generation } = issuance;
  const serial = options.prepared?.serial ?? newSerial();
  const certificate = newCertificate({ ...options.certificate, serial });
  for (const step of pathTo[state]) {
    const outcome = (await ports.ledger.advance([stepTo(step)]))[0];
    if (outcome?.kind !== 'moved') throw new Error(`to ${step}: ${JSON.stringify(outcome)}`);
  }
  return { issuanceId, issuance, certificate };

  function stepTo(to: IssuanceState): Transition {
    switch (to) {
      case 'approved':
        return moves.approve(issuanceId, { caId, generation });
      case 'rejected':
        return moves.reject(issuanceId);
      case 'lapsed':
        return moves.lapse(issuanceId, 'received');
      case 'intended':
        return moves.intend(makePrepared(issuanceId, caId, { ...options.prepared, serial }));
      case 'submitted':
        return moves.submit(issuanceId);
      case 'orphan-suspected':
        return moves.suspect(issuanceId);
      case 'issued':
        return moves.issue(issuanceId, certificate);
      case 'misissued':
        return moves.misissue(issuanceId);
      case 'failed':
        return moves.fail(issuanceId);
      case 'revoked':
        return moves.revoke(issuanceId);
      case 'received':
        throw new Error('an issuance is received once');
    }
  }
}
