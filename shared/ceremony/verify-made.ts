/** Holds what a ceremony made against the hierarchy and against itself: keys, requests, certificates, evidence. */
import { evaluateCustody, validationByOwner } from '../custody/custody.ts';
import type { KeyDescription } from '../custody/key-description.ts';
import { isSoftHsm } from '../custody/softhsm.ts';
import { type Authority, addDuration, findAuthority, type Hierarchy } from '../hierarchy/hierarchy.ts';
import { certificateFaults, descriptionFaults, requestFaults } from '../issuance/authority-certificate.ts';
import { type Certificate, parseCertificate } from '../pki/certificate.ts';
import { type CertificationRequest, parseCertificationRequest } from '../pki/certification-request.ts';
import { sha256Hex } from '../pki/hash.ts';
import { MalformedError } from '../pki/malformed.ts';
import { verifyPossession } from '../pki/possession.ts';
import { certifiedAuthority, custodyStage } from './certified.ts';
import type { RefusalCode } from './reason.ts';
import type { CeremonyRecord, RecordOf } from './record.ts';
import type { CeremonyScript } from './script.ts';

export interface MadeCertificate {
  readonly authority: string;
  readonly generation: number;
  readonly file: string;
  readonly sha256: string;
  readonly certificate: Certificate;
}

/** What is known while the records are gone through. */
export interface MadeState {
  readonly script: CeremonyScript;
  readonly hierarchy: Hierarchy;
  readonly authority: Authority;
  readonly opened: RecordOf<'opened/open'>;
  readonly refuse: (code: RefusalCode, message: string, record: number) => void;
  keySha256?: string;
  request?: CertificationRequest;
  /** Of the CA itself: what it signs with. */
  issuer?: Certificate;
  begunTbs?: Uint8Array;
  begunRequest?: CertificationRequest;
  readonly made: MadeCertificate[];
}

/** A ceremony may pause between saying what it will sign and signing it; not for longer than this. */
const backdateMsMax = 30 * 86_400_000;
/** Evidence is read in the act that records it. */
const evidenceAgeMsMax = 10 * 60_000;

/** Judges one record; what is not a document of its kind is a refusal, not an error. */
export async function verifyMade(record: CeremonyRecord, state: MadeState): Promise<void> {
  try {
    await judge(record, state);
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    state.refuse('certificate-unsound', `not well-formed: ${error.message}`, record.index);
  }
}

async function judge(record: CeremonyRecord, state: MadeState): Promise<void> {
  switch (record.act) {
    case 'identify-participants':
      return verifyParticipants(record, state);
    case 'check-module':
      return verifyModule(record, state);
    case 'generate-key':
      return record.kind === 'begun' ? verifyKeyOrder(record, state) : verifyKey(record, state);
    case 'present-key':
      return verifyPresentedKey(record, state);
    case 'self-sign':
      return record.kind === 'begun' ? begin(record, state, state.request) : verifySelfSigned(record, state);
    case 'certify-subordinate':
      return record.kind === 'begun' ? verifyRequest(record, state) : verifySubordinate(record, state);
    case 'read-evidence':
      return verifyEvidence(record, state);
    case 'close':
      return verifyClose(record, state);
    default:
      return undefined;
  }
}

function bytesOf(base64: string): Uint8Array {
  return Buffer.from(base64, 'base64');
}

function requireDigest(bytes: Uint8Array, digest: string, index: number, state: MadeState): void {
  if (sha256Hex(bytes) !== digest) state.refuse('digest-differs', 'a digest is not that of its bytes', index);
}

function verifyParticipants({ body, index }: RecordOf<'done/identify-participants'>, state: MadeState): void {
  const { script, refuse } = state;
  for (const { role, person } of script.roles) {
    const present = body.people.find((one) => one.role === role);
    if (present === undefined || present.name.trim() === '')
      refuse('participant-missing', `nobody has the role ${role}`, index);
    else if (person !== undefined && present.name !== person)
      refuse('participant-missing', `the role ${role} is ${person}'s, and somebody else took it`, index);
  }
  const known = body.witnesses.filter(({ name, fingerprint }) =>
    script.witnesses.keys.some((witness) => witness.name === name && witness.key.fingerprint === fingerprint),
  );
  const count = new Set(known.map(({ fingerprint }) => fingerprint)).size;
  if (known.length !== body.witnesses.length || count !== known.length)
    refuse('participant-missing', 'a witness is recorded who is not in the script, or twice', index);
  if (count < script.witnesses.quorum)
    refuse('participant-missing', `${count} witnesses were there; the quorum is ${script.witnesses.quorum}`, index);
}

function verifyModule({ body, index }: RecordOf<'done/check-module'>, state: MadeState): void {
  const { authority, hierarchy, opened, refuse } = state;
  const softHsm = isSoftHsm(body.module.token);
  if (body.emulator !== softHsm) refuse('custody-not-met', 'the module is not what it is recorded as', index);
  if (softHsm && opened.body.mode === 'run' && hierarchy.stage !== 'dev')
    refuse('softhsm-in-prod', 'the module is SoftHSM, whose keys are files: no run for production', index);
  if (body.module.token.label !== authority.pkcs11?.tokenLabel)
    refuse('custody-not-met', `the token is not ${authority.pkcs11?.tokenLabel ?? 'there'}`, index);
}

function verifyKeyOrder({ body, index }: RecordOf<'begun/generate-key'>, { authority, refuse }: MadeState): void {
  const { tokenLabel, keyLabel } = authority.pkcs11 ?? {};
  if (body.tokenLabel !== tokenLabel || body.keyLabel !== keyLabel || body.keyAlgorithm !== authority.keyAlgorithm)
    refuse('key-differs', 'the key that was to be made is not the one the hierarchy describes', index);
}

async function verifyKey({ body, index }: RecordOf<'done/generate-key'>, state: MadeState): Promise<void> {
  const { authority, hierarchy, opened, refuse } = state;
  requireDigest(bytesOf(body.spki), body.spkiSha256, index, state);
  requireDigest(bytesOf(body.request), body.requestSha256, index, state);
  const request = parseCertificationRequest(bytesOf(body.request));
  if (request.publicKey.sha256 !== body.spkiSha256)
    refuse('key-differs', 'the request is not of the key that was made', index);
  if (!(await verifyPossession(request)))
    refuse('possession-not-proven', 'the request is not signed by its key', index);
  else {
    const faults = await requestFaults(request, certifiedAuthority(authority, opened.body.mode, hierarchy.stage));
    for (const fault of faults) refuse('request-unsound', fault, index);
  }
  const { extractable, ...wanted } = body.attributes;
  if (extractable || Object.values(wanted).includes(false))
    refuse('custody-not-met', 'the key could leave the module, or was not made in it', index);
  state.keySha256 = body.spkiSha256;
  state.request = request;
}

async function verifyPresentedKey({ body, index }: RecordOf<'done/present-key'>, state: MadeState): Promise<void> {
  requireDigest(bytesOf(body.spki), body.spkiSha256, index, state);
  requireDigest(bytesOf(body.certificate), body.certificateSha256, index, state);
  const certificate = parseCertificate(bytesOf(body.certificate));
  if (certificate.tbs.publicKey.sha256 !== body.spkiSha256)
    state.refuse('key-differs', "the key is not the one of the CA's certificate", index);
  const { authority, opened, hierarchy, refuse } = state;
  const certified = certifiedAuthority(authority, opened.body.mode, hierarchy.stage);
  for (const fault of descriptionFaults(certificate, certified)) refuse('certificate-unsound', fault, index);
  state.keySha256 = body.spkiSha256;
  state.issuer = certificate;
}

function begin(
  { body, index }: RecordOf<'begun/self-sign' | 'begun/certify-subordinate'>,
  state: MadeState,
  request: CertificationRequest | undefined,
): void {
  const tbs = bytesOf(body.tbs);
  requireDigest(tbs, body.tbsSha256, index, state);
  state.begunTbs = tbs;
  if (request === undefined) delete state.begunRequest;
  else state.begunRequest = request;
}

async function verifyRequest(record: RecordOf<'begun/certify-subordinate'>, state: MadeState): Promise<void> {
  const { body, index } = record;
  requireDigest(bytesOf(body.request), body.requestSha256, index, state);
  const request = parseCertificationRequest(bytesOf(body.request));
  begin(record, state, request);
  if (!(await verifyPossession(request))) {
    state.refuse('possession-not-proven', `the request of ${body.authority} is not signed by its key`, index);
  }
}

async function verifySelfSigned(record: RecordOf<'done/self-sign'>, state: MadeState): Promise<void> {
  const { authority, refuse } = state;
  if (authority.tier !== 'root') refuse('certificate-unsound', 'only a root signs itself', record.index);
  const certificate = parseCertificate(bytesOf(record.body.certificate));
  await verifyCertificate(record, certificate, authority, undefined, state);
  state.issuer = certificate;
}

async function verifySubordinate(record: RecordOf<'done/certify-subordinate'>, state: MadeState): Promise<void> {
  const child = findAuthority(state.hierarchy, record.body.authority);
  const certificate = parseCertificate(bytesOf(record.body.certificate));
  if (child === undefined || child.parent !== state.authority.id)
    state.refuse('authority-unknown', `${state.authority.id} signs no CA ${record.body.authority}`, record.index);
  else await verifyCertificate(record, certificate, child, state.issuer, state);
}

/** `issuer` is undefined for a certificate that its own key signs. */
async function verifyCertificate(
  { body, index, at }: RecordOf<'done/self-sign' | 'done/certify-subordinate'>,
  certificate: Certificate,
  described: Authority,
  issuer: Certificate | undefined,
  state: MadeState,
): Promise<void> {
  const { opened, hierarchy, refuse, begunTbs, begunRequest } = state;
  requireDigest(certificate.der, body.certificateSha256, index, state);
  if (begunTbs === undefined || Buffer.compare(begunTbs, certificate.tbs.der) !== 0)
    refuse('certificate-unsound', 'what was signed is not what was said before', index);
  const signer = issuer ?? certificate;
  if (signer.tbs.publicKey.sha256 !== state.keySha256)
    refuse('key-differs', 'the certificate is not signed by the key of this ceremony', index);
  if (begunRequest === undefined) return;
  const { notBefore, notAfter } = certificate.tbs;
  const order = {
    authority: certifiedAuthority(described, opened.body.mode, hierarchy.stage),
    requestDer: begunRequest.der,
    issuer: state.authority,
    issuerRef: '',
    issuerCertificateDer: issuer?.der,
    notBefore,
    notAfter,
  };
  for (const fault of await certificateFaults(certificate, begunRequest, signer, order)) {
    refuse('certificate-unsound', fault, index);
  }
  const end = addDuration(notBefore, described.validity);
  if (notAfter !== Math.min(end, issuer?.tbs.notAfter ?? end))
    refuse('certificate-unsound', `the validity is not ${described.validity.text}`, index);
  const signedAt = Date.parse(at);
  if (notBefore > signedAt || notBefore < signedAt - backdateMsMax)
    refuse('certificate-unsound', 'notBefore is not of the time of the ceremony', index);
  const { file, certificateSha256 } = body;
  const { id, generation } = described;
  state.made.push({ authority: id, generation, file, sha256: certificateSha256, certificate });
}

function verifyEvidence({ body, index, at }: RecordOf<'done/read-evidence'>, state: MadeState): void {
  const { authority, opened, hierarchy, refuse, keySha256 } = state;
  const { evidence, accepted } = body;
  if (evidence.spkiSha256 !== keySha256)
    refuse('key-differs', 'the evidence is of another key than the one that was used', index);
  const age = Date.parse(at) - evidence.readAt;
  if (Math.abs(age) > evidenceAgeMsMax)
    refuse('custody-not-met', 'the evidence is not of the time of its record', index);
  if (evidence.cluster === undefined && evidence.module !== undefined) {
    const listed = validationByOwner(hierarchy.modules, evidence.module, evidence.readAt);
    if (evidence.securityLevel > listed.securityLevel || (evidence.cmvpStatus ?? 'unknown') !== listed.cmvpStatus)
      refuse('custody-not-met', 'the validation is none that the hierarchy lists for the module', index);
  }
  const decision = evaluateCustody(
    authority.custody,
    { spkiSha256: keySha256 ?? '', keyAlgorithm: authority.keyAlgorithm },
    evidence as unknown as KeyDescription,
    custodyStage(opened.body.mode, hierarchy.stage),
    evidence.readAt,
  );
  for (const finding of decision.findings)
    if (finding.severity === 'stop') refuse('custody-not-met', finding.message, index);
  if (accepted !== decision.ok) refuse('custody-not-met', 'the evidence was judged otherwise than it is', index);
}

function verifyClose({ body, index }: RecordOf<'done/close'>, { made, refuse }: MadeState): void {
  const listed = JSON.stringify(
    body.certificates.map(({ authority, generation, file, sha256 }) => [authority, generation, file, sha256]),
  );
  const signed = JSON.stringify(
    made.map(({ authority, generation, file, sha256 }) => [authority, generation, file, sha256]),
  );
  if (listed !== signed) refuse('certificates-differ', 'the certificates listed are not those that were made', index);
}
