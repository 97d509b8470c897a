/** What each act does: shows what the module says, asks, acts, records. */
import { join } from 'node:path';
import {
  type ActName,
  type CeremonyAct,
  certificateFileName,
  certifiedAuthority,
  custodyStage,
  type Evidence,
} from '../../shared/ceremony/ceremony.ts';
import { evaluateCustody } from '../../shared/custody/custody.ts';
import type { ClusterDescription, KeyDescription } from '../../shared/custody/key-description.ts';
import { isSoftHsm } from '../../shared/custody/softhsm.ts';
import { type Authority, findAuthority } from '../../shared/hierarchy/hierarchy.ts';
import { sha256Hex } from '../../shared/pki/hash.ts';
import { encodePem } from '../../shared/pki/pem.ts';
import { CommandFailure } from '../command.ts';
import { printable } from '../terminal/text.ts';
import { certifySubordinate, presentKey, selfSign } from './acts-signing.ts';
import { writeWhole } from './files.ts';
import { type CeremonySession, record, recorded, stopped } from './session.ts';

export interface ActPlan {
  /** What will happen, in sentences for the room. */
  readonly announce: (session: CeremonySession, act: CeremonyAct) => string;
  readonly perform: (session: CeremonySession, act: CeremonyAct, step: number) => Promise<void>;
}

export const actPlans: Readonly<Record<ActName, ActPlan>> = {
  'identify-participants': {
    announce: ({ script }) =>
      `Everybody says who they are. ${script.roles.length} roles are filled, and at least ${script.witnesses.quorum} of the ${script.witnesses.keys.length} witnesses are here.`,
    perform: identifyParticipants,
  },
  'check-module': {
    announce: ({ token }) =>
      `The module and the token ${token.tokenLabel} say what they are. Compare it with the label on the device.`,
    perform: checkModule,
  },
  'generate-key': {
    announce: ({ token, authority }) =>
      `The token ${token.tokenLabel} makes a key pair ${authority.keyAlgorithm} with the label ${token.keyLabel}. The private key never leaves it; it signs a request, which shows that it is there.`,
    perform: generateKey,
  },
  'present-key': {
    announce: ({ token, authority }) =>
      `The key ${token.keyLabel} on ${token.tokenLabel} is held against the certificate of ${authority.id}, which comes as a file.`,
    perform: presentKey,
  },
  'self-sign': {
    announce: ({ authority }) =>
      `The certificate of ${authority.id} is put together, recorded, and signed by its own key: ${saysOf(authority, authority)}.`,
    perform: selfSign,
  },
  'certify-subordinate': {
    announce: ({ authority, hierarchy, mode }, act) => {
      const child = findAuthority(hierarchy, act.authority ?? '');
      const says =
        child === undefined ? '' : `: ${saysOf(certifiedAuthority(child, mode, hierarchy.stage), authority)}`;
      return `A certification request of ${act.authority} comes in as a file and is shown. ${authority.id} signs a certificate for it, which goes out as a file${says}.`;
    },
    perform: certifySubordinate,
  },
  'read-evidence': {
    announce: ({ token }) =>
      `The module is asked once more about the key ${token.keyLabel}, and its answers are held against what the hierarchy demands.`,
    perform: readEvidence,
  },
  close: {
    announce: () => 'The transcript is closed. After that, the witnesses sign its digest.',
    perform: close,
  },
};

/** What the certificate of a CA will say, for people to agree to before it is signed. */
function saysOf({ subject, validity, pathLen, nameConstraints }: Authority, issuer: Authority): string {
  const permitted = Object.entries(nameConstraints?.permitted ?? {}).map(
    ([kind, trees]) => `${kind} ${trees.join(' ')}`,
  );
  const names = permitted.length === 0 ? 'any names' : `names of ${permitted.join(', ')} only`;
  const path = pathLen === undefined ? 'no path length' : `path length ${pathLen}`;
  return `${printable(subject)}, valid for ${validity.text}, ${path}, ${names}, signed with ${issuer.signingAlgorithm}`;
}

async function identifyParticipants(session: CeremonySession, _act: CeremonyAct, step: number): Promise<void> {
  const { script, operator, say } = session;
  const people: { role: string; name: string }[] = [];
  for (const { role, person } of script.roles) {
    const name = await operator.person(role, person);
    if (name === undefined) throw stopped(`nobody has the role ${role}`);
    people.push({ role, name });
  }
  const witnesses: { name: string; fingerprint: string }[] = [];
  for (const { name, key } of script.witnesses.keys) {
    if (await operator.witnessIsHere(name, key.fingerprint)) witnesses.push({ name, fingerprint: key.fingerprint });
  }
  if (witnesses.length < script.witnesses.quorum)
    throw stopped(`${witnesses.length} witnesses are here, and the quorum is ${script.witnesses.quorum}`);
  record(session, 'done/identify-participants', step, { people, witnesses });
  for (const { role, name } of people) say(`  ${role.padEnd(24)} ${printable(name)}\n`);
  for (const { name, fingerprint } of witnesses) say(`  ${`witness ${name}`.padEnd(24)} ${fingerprint}\n`);
}

async function checkModule(session: CeremonySession, _act: CeremonyAct, step: number): Promise<void> {
  const { token, say, mode, hierarchy } = session;
  const module = await token.describeModule();
  const emulator = isSoftHsm(module.token);
  say(`  library   ${printable(`${module.library.description} ${module.library.version}`)}\n`);
  say(`  token     ${printable(`${module.token.manufacturer}, ${module.token.model}`)}\n`);
  say(`  serial    ${printable(module.token.serial)}\n`);
  say(`  firmware  ${printable(`${module.token.firmware}, hardware ${module.token.hardware}`)}\n`);
  if (emulator && mode === 'run' && hierarchy.stage !== 'dev') {
    throw new CommandFailure('softhsm-in-prod', 'the module is SoftHSM, whose keys are files: no ceremony for prod', [
      'name the library of your HSM: SEALWRIGHT_PKCS11_MODULE=/path/of/its/library.so',
      'or rehearse: npx sealwright ceremony rehearse SCRIPT',
    ]);
  }
  if (emulator) say('  It is SoftHSM: a file, and evidence of nothing. Certificates say "Development only".\n');
  record(session, 'done/check-module', step, { module, emulator });
}

async function generateKey(session: CeremonySession, _act: CeremonyAct, step: number): Promise<void> {
  const { token, authority, operator, say } = session;
  const { tokenLabel, keyLabel } = token;
  const begun = recorded(session, 'begun/generate-key', step) !== undefined;
  const found = await token.findKey();
  if (found !== undefined && !begun) {
    throw new CommandFailure(
      'key-exists',
      `there is a key ${keyLabel} on ${tokenLabel}, sha256:${found.publicKey.sha256}, that this ceremony has not made`,
      [
        'no second key is made, and none that somebody else made is taken for a new one',
        "to sign with it: a script with 'present-key'; to begin anew: raise the generation and the keyLabel in the hierarchy",
        'or destroy that key by hand, with what came with the module',
      ],
    );
  }
  if (found !== undefined && !(await operator.takeFoundKey(found.publicKey.sha256, found.attributes)))
    throw stopped('the key that is there was not taken');
  if (!begun) {
    const { keyAlgorithm } = authority;
    record(session, 'begun/generate-key', step, { tokenLabel, keyLabel, keyAlgorithm, keysWithLabel: 0 });
  }
  const { publicKey, attributes } = found ?? (await token.generateKey());
  const request = await token.request();
  record(session, 'done/generate-key', step, {
    spki: base64(publicKey.der),
    spkiSha256: publicKey.sha256,
    request: base64(request),
    requestSha256: sha256Hex(request),
    attributes: { ...attributes },
    foundAgain: found !== undefined,
  });
  const requestFile = join(session.folder.requestsDir, certificateFileName(authority).replace(/\.pem$/, '.csr'));
  writeWhole(requestFile, encodePem('CERTIFICATE REQUEST', request));
  say(`  key        sha256:${publicKey.sha256}\n`);
  say(`  attributes ${attributesText({ ...attributes })}\n`);
  say(`  request    ${printable(requestFile)}\n`);
}

/** In the names of PKCS #11. */
function attributesText(attributes: Readonly<Record<string, boolean>>): string {
  return Object.entries(attributes)
    .map(([name, value]) => `${value ? '' : 'not '}${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`)
    .join(', ');
}

async function readEvidence(session: CeremonySession, _act: CeremonyAct, step: number): Promise<void> {
  const { token, authority, mode, hierarchy, say, now } = session;
  const key = recorded(session, 'done/generate-key') ?? recorded(session, 'done/present-key');
  if (key === undefined) throw new Error('invariant: a script reads evidence after the key');
  const description = await token.readEvidence(now());
  const { ok, findings } = evaluateCustody(
    authority.custody,
    { spkiSha256: key.body.spkiSha256, keyAlgorithm: authority.keyAlgorithm },
    description,
    custodyStage(mode, hierarchy.stage),
    description.readAt,
  );
  say(`  key        ${description.keyId}\n`);
  if (description.attributes !== undefined) say(`  attributes ${attributesText({ ...description.attributes })}\n`);
  for (const { severity, message } of findings) say(`  ${severity === 'stop' ? '✗' : '·'} ${printable(message)}\n`);
  if (!ok) {
    throw new CommandFailure('custody-not-met', 'the key is not held as the hierarchy demands; nothing is recorded', [
      'no witness should sign this: begin anew with another key',
    ]);
  }
  record(session, 'done/read-evidence', step, {
    evidence: evidenceOf(description),
    findings: findings.map(({ code, severity, message }) => ({ code, severity, message })),
    accepted: ok,
  });
}

/** The members that a transcript keeps, whatever else a description comes to hold. */
function evidenceOf(key: KeyDescription): Evidence {
  const { attributes, module, cluster, origin, validatedBy } = key;
  return {
    ...pick(key, ['source', 'model', 'keyId', 'spkiSha256', 'keyAlgorithm', 'securityLevel', 'status', 'readAt']),
    ...{ standard: key.standard, certificateNumber: key.certificateNumber, cmvpStatus: key.cmvpStatus },
    validatedBy: validatedBy && pick(validatedBy, ['who', 'statusAsOf', 'source']),
    attributes: attributes && pick(attributes, attributeNames),
    module: module && pick(module, ['manufacturer', 'model', 'serial', 'firmware', 'library']),
    cluster: cluster && clusterOf(cluster),
    origin: origin && {
      ...{ kind: origin.kind, knownBy: origin.knownBy },
      ...{ backupId: origin.backupId, restoredAt: origin.restoredAt },
    },
  };
}

function clusterOf(cluster: ClusterDescription): NonNullable<Evidence['cluster']> {
  const { hsms, latestBackup, sourceBackupId, backupRetentionDays, backupCount, foreignServers } = cluster;
  return {
    ...pick(cluster, ['source', 'clusterId', 'state', 'hsmType', 'mode', 'readAt']),
    hsms: hsms.map((hsm) => pick(hsm, ['hsmId', 'state', 'zone', 'eniIp'])),
    latestBackup: latestBackup && pick(latestBackup, ['backupId', 'createdAt', 'mode', 'neverExpires']),
    ...{ sourceBackupId, backupRetentionDays, backupCount, foreignServers },
  };
}

const attributeNames = [
  'token',
  'sensitive',
  'extractable',
  'neverExtractable',
  'alwaysSensitive',
  'local',
  'sign',
] as const;

function pick<T extends object, const K extends readonly (keyof T)[]>(value: T, names: K): Pick<T, K[number]> {
  return Object.fromEntries(names.map((name) => [name, value[name]])) as Pick<T, K[number]>;
}

async function close(session: CeremonySession, _act: CeremonyAct, step: number): Promise<void> {
  const { hierarchy, authority, mode } = session;
  const certificates = (session.transcript?.records ?? []).flatMap((one) => {
    if (one.kind !== 'done' || (one.act !== 'self-sign' && one.act !== 'certify-subordinate')) return [];
    const id = one.act === 'self-sign' ? authority.id : one.body.authority;
    const described = hierarchy.authorities.find((candidate) => candidate.id === id);
    if (described === undefined) throw new Error('invariant: what was certified is in the hierarchy');
    const { generation } = certifiedAuthority(described, mode, hierarchy.stage);
    return [{ authority: id, generation, file: one.body.file, sha256: one.body.certificateSha256 }];
  });
  record(session, 'done/close', step, { certificates });
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
