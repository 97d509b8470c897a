/** The acts that sign certificates. What is to be signed is recorded before it is signed, and signed as it was recorded. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { buildAuthorityTbs } from '../../shared/adapters/held-key/authority-documents.ts';
import { type CeremonyAct, certificateFileName, certifiedAuthority } from '../../shared/ceremony/ceremony.ts';
import { type Authority, findAuthority } from '../../shared/hierarchy/hierarchy.ts';
import { certificateFaults, descriptionFaults, requestFaults } from '../../shared/issuance/authority-certificate.ts';
import { validityOf } from '../../shared/issuance/certified-authority.ts';
import { type Certificate, parseCertificate } from '../../shared/pki/certificate.ts';
import { assembleCertificate } from '../../shared/pki/certificate-builder.ts';
import { parseCertificationRequest } from '../../shared/pki/certification-request.ts';
import { sha256Hex } from '../../shared/pki/hash.ts';
import { MalformedError } from '../../shared/pki/malformed.ts';
import { formatDistinguishedName } from '../../shared/pki/names.ts';
import { decodeCertificationRequestBody, decodePemBlocks, encodePem } from '../../shared/pki/pem.ts';
import { CommandFailure } from '../command.ts';
import { printable } from '../terminal/text.ts';
import { readBounded, writeWhole } from './files.ts';
import { type CeremonySession, record, recorded, stopped } from './session.ts';

const documentBytesMax = 32 * 1024;

export async function selfSign(session: CeremonySession, _act: CeremonyAct, step: number): Promise<void> {
  const { authority } = session;
  if (authority.tier !== 'root')
    throw new CommandFailure('not-a-root', `${authority.id} is no root: a script for it has no self-sign`);
  const made = recorded(session, 'done/generate-key');
  if (made === undefined) throw new Error('invariant: a script signs after the key is made');
  const requestDer = bytesOf(made.body.request);
  const tbs = recorded(session, 'begun/self-sign', step)?.body.tbs;
  const der = tbs === undefined ? await newTbs(session, authority, requestDer, undefined) : bytesOf(tbs);
  if (tbs === undefined) record(session, 'begun/self-sign', step, { tbs: base64(der), tbsSha256: sha256Hex(der) });
  const body = await signed(session, authority, requestDer, der, undefined);
  record(session, 'done/self-sign', step, body);
}

export async function presentKey(session: CeremonySession, _act: CeremonyAct, step: number): Promise<void> {
  const { token, authority, operator, say } = session;
  const found = await token.findKey();
  if (found === undefined)
    throw new CommandFailure('key-missing', `there is no key ${token.keyLabel} on ${token.tokenLabel}`);
  const path = await operator.certificateFile(authority.id);
  if (path === undefined) throw stopped(`the certificate of ${authority.id} was not given`);
  const certificate = readCertificate(path);
  if (certificate.tbs.publicKey.sha256 !== found.publicKey.sha256)
    throw new CommandFailure('key-differs', `${printable(path)} is not a certificate of the key on the token`);
  const faults = descriptionFaults(certificate, authority);
  if (faults.length > 0)
    throw new CommandFailure(
      'certificate-unsound',
      `${printable(path)}: ${faults.map((one) => printable(one)).join('; ')}`,
    );
  record(session, 'done/present-key', step, {
    spki: base64(found.publicKey.der),
    spkiSha256: found.publicKey.sha256,
    certificate: base64(certificate.der),
    certificateSha256: certificate.fingerprint,
  });
  say(`  key          sha256:${found.publicKey.sha256}\n  certificate  sha256:${certificate.fingerprint}\n`);
}

export async function certifySubordinate(session: CeremonySession, act: CeremonyAct, step: number): Promise<void> {
  const { authority, hierarchy, mode } = session;
  const described = findAuthority(hierarchy, act.authority ?? '');
  if (described === undefined || described.parent !== authority.id) {
    const message = `the hierarchy has no CA ${printable(act.authority ?? '')} that ${authority.id} signs`;
    throw new CommandFailure('authority-unknown', message, ['correct the script, and have it agreed to again']);
  }
  const child = certifiedAuthority(described, mode, hierarchy.stage);
  const issuer = issuerOf(session);
  const begun = recorded(session, 'begun/certify-subordinate', step);
  const requestDer = begun === undefined ? await takeRequest(session, child) : bytesOf(begun.body.request);
  const tbs = begun === undefined ? await newTbs(session, child, requestDer, issuer) : bytesOf(begun.body.tbs);
  if (begun === undefined) {
    record(session, 'begun/certify-subordinate', step, {
      authority: child.id,
      request: base64(requestDer),
      requestSha256: sha256Hex(requestDer),
      tbs: base64(tbs),
      tbsSha256: sha256Hex(tbs),
    });
  }
  const body = await signed(session, child, requestDer, tbs, issuer);
  record(session, 'done/certify-subordinate', step, { authority: child.id, ...body });
}

function issuerOf(session: CeremonySession): Certificate {
  const own = recorded(session, 'done/self-sign') ?? recorded(session, 'done/present-key');
  if (own === undefined) throw new Error('invariant: a CA has a certificate before it signs another');
  return parseCertificate(bytesOf(own.body.certificate));
}

/** Reads a request, shows it, and has it agreed to by what its owner said through another way. */
async function takeRequest(session: CeremonySession, child: Authority): Promise<Uint8Array> {
  const { operator, say } = session;
  const path = await operator.requestFile(child.id);
  if (path === undefined) throw stopped(`the request of ${child.id} was not given`);
  let der: Uint8Array;
  let faults: readonly string[];
  try {
    der = decodeCertificationRequestBody(readBounded(path, documentBytesMax));
    const request = parseCertificationRequest(der);
    faults = await requestFaults(request, child);
    say(`  file     ${printable(path)}\n  subject  ${printable(formatDistinguishedName(request.subject))}\n`);
    say(`  key      ${request.publicKey.keyType}, sha256:${request.publicKey.sha256}\n`);
    say(`  request  sha256:${sha256Hex(der)}\n`);
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    throw new CommandFailure('request-unsound', `${printable(path)} is no certification request: ${error.message}`);
  }
  if (faults.length > 0)
    throw new CommandFailure(
      'request-unsound',
      `${printable(path)}: ${faults.map((one) => printable(one)).join('; ')}`,
    );
  if (!(await operator.acceptRequest(child.id, sha256Hex(der)))) throw stopped('the request was not agreed to');
  return der;
}

function orderOf(
  { authority }: CeremonySession,
  child: Authority,
  requestDer: Uint8Array,
  issuer: Certificate | undefined,
  validity: { readonly notBefore: number; readonly notAfter: number },
) {
  const { notBefore, notAfter } = validity;
  return {
    authority: child,
    requestDer,
    issuer: authority,
    issuerRef: '',
    issuerCertificateDer: issuer?.der,
    notBefore,
    notAfter,
  };
}

async function newTbs(
  session: CeremonySession,
  child: Authority,
  requestDer: Uint8Array,
  issuer: Certificate | undefined,
): Promise<Uint8Array> {
  const validity = validityOf(child, issuer?.tbs, session.now());
  const order = orderOf(session, child, requestDer, issuer, validity);
  const issuerKey = issuer?.tbs.publicKey ?? parseCertificationRequest(requestDer).publicKey;
  return buildAuthorityTbs(order, issuerKey, (bytes) => randomBytes(bytes));
}

/** Signs, checks what came back, and writes the file. */
async function signed(
  session: CeremonySession,
  child: Authority,
  requestDer: Uint8Array,
  tbs: Uint8Array,
  issuer: Certificate | undefined,
) {
  const { authority, token, folder, say } = session;
  const der = assembleCertificate(tbs, authority.signingAlgorithm, await token.sign(tbs));
  const certificate = parseCertificate(der);
  const order = orderOf(session, child, requestDer, issuer, certificate.tbs);
  const request = parseCertificationRequest(requestDer);
  const faults = await certificateFaults(certificate, request, issuer ?? certificate, order);
  if (faults.length > 0)
    throw new CommandFailure('certificate-unsound', `what the token signed is not usable: ${faults.join('; ')}`);
  const file = certificateFileName(child);
  const path = join(folder.authoritiesDir, file);
  writeWhole(path, encodePem('CERTIFICATE', der));
  say(`  subject      ${printable(formatDistinguishedName(certificate.tbs.subject))}\n`);
  say(`  serial       ${certificate.tbs.serialHex}\n`);
  say(`  valid        ${day(certificate.tbs.notBefore)} to ${day(certificate.tbs.notAfter)}\n`);
  say(`  fingerprint  sha256:${certificate.fingerprint}\n  file         ${printable(path)}\n`);
  return { certificate: base64(der), certificateSha256: certificate.fingerprint, file };
}

function day(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

function readCertificate(path: string): Certificate {
  const bytes = readBounded(path, documentBytesMax);
  try {
    const [der] = bytes[0] === 0x30 ? [bytes] : decodePemBlocks(bytes.toString('latin1'), 'CERTIFICATE', 16);
    if (der === undefined) throw new CommandFailure('certificate-unsound', `${printable(path)} holds no certificate`);
    return parseCertificate(der);
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    throw new CommandFailure('certificate-unsound', `${printable(path)} is no certificate: ${error.message}`);
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, 'base64');
}
