/**
 * Three issuance CAs with keys in SoftHSM, two on one token and one on another, and the signer they share, as it runs: one
 * queue, one function, a backend for each CA. Time stands still until it is moved.
 */
import { randomBytes } from 'node:crypto';
import { signerReport } from '../../functions/signer/report.ts';
import { type BatchHandler, pollOnce } from '../../localstack/embedded/event-source-mapping.ts';
import { type BatchContext, runBatch } from '../../shared/adapters/aws-lambda/queue-batch.ts';
import { createPkcs11Backend, type Pkcs11Backend } from '../../shared/adapters/pkcs11/backend.ts';
import { createPkcs11Provisioner } from '../../shared/adapters/pkcs11/provisioner.ts';
import { readPinFile } from '../../shared/adapters/pkcs11/softhsm.ts';
import type { SqliteQueue } from '../../shared/adapters/sqlite/queue.ts';
import type { Hierarchy } from '../../shared/hierarchy/hierarchy.ts';
import { issueCertificates } from '../../shared/issuance/issue-certificate.ts';
import { sendLater } from '../../shared/issuance/send-later.ts';
import { hierarchyOf, sampleWith } from './hierarchies.ts';
import { mappingOf, receiveCountMax } from './hsm-world.ts';
import { approved, type IssuanceWorld, openIssuanceWorld, stateOf } from './issuance-world.ts';
import { newSoftHsmToken } from './softhsm.ts';

const profileOf = { workloads: 'service', gateways: 'svid', devices: 'device' } as const;
export type HsmCa = keyof typeof profileOf;

export interface RaisedAlarm {
  readonly name: string;
  readonly caId: string;
  readonly codes: readonly string[];
}

export interface CustodyWorld {
  readonly world: IssuanceWorld;
  readonly queue: SqliteQueue;
  readonly alarms: RaisedAlarm[];
  readonly library: { readonly path: string; readonly softhsmConf: string };
  /** `workloads` and `gateways` have this token, `devices` another. */
  readonly sharedToken: string;
  backendOf(caId: HsmCa): Pkcs11Backend;
  /** An approved issuance of a CA, on the queue. */
  enqueue(caId: HsmCa): Promise<string>;
  /** Delivers what is visible, batch by batch, until nothing is. */
  deliver(): Promise<void>;
  stateOf(issuanceId: string): Promise<string>;
  close(): Promise<void>;
}

let worlds = 0;

function hierarchyText(sharedToken: string): string {
  const gateways = [
    '  - id: gateways',
    '    tier: issuance',
    '    parent: subordinate',
    '    generation: 1',
    '    backend: pkcs11',
    `    pkcs11: { tokenLabel: ${sharedToken}, keyLabel: gateways-g1 }`,
    '    subject: CN=Gateways G1,O=Example Fleet',
    '    keyAlgorithm: EC_prime256v1',
    '    signingAlgorithm: SHA256WITHECDSA',
    '    validity: 3y',
    '    pathLen: 0',
    '    profiles: [svid]',
    '    custody: { model: self-managed-hsm, securityLevelMin: 3, cmvpAccepted: [active] }',
  ];
  return sampleWith(
    ['tokenLabel: sealwright-issuance', `tokenLabel: ${sharedToken}`],
    ['profiles: [service, svid]', 'profiles: [service]'],
    [
      'backend: acm-pca\n    mode: GENERAL_PURPOSE',
      `backend: pkcs11\n    pkcs11: { tokenLabel: ${sharedToken}, keyLabel: devices-g1 }`,
    ],
    [
      'profiles: [device]\n    custody: { model: managed-ca, securityLevelMin: 3, cmvpAccepted: [active, historical] }',
      'profiles: [device]\n    custody: { model: self-managed-hsm, securityLevelMin: 3, cmvpAccepted: [active] }',
    ],
    ['cmvpAccepted: [active] }\nprofiles:', `cmvpAccepted: [active] }\n${gateways.join('\n')}\nprofiles:`],
  );
}

/**
 * Moves a CA to another token. A hierarchy.yaml is refused for it, since one deployment of a signer has one PIN: here each
 * backend is given its own.
 */
function withTokenOf(hierarchy: Hierarchy, caId: string, tokenLabel: string): Hierarchy {
  const authorities = hierarchy.authorities.map((authority) =>
    authority.id === caId && authority.pkcs11 !== undefined
      ? { ...authority, pkcs11: { ...authority.pkcs11, tokenLabel } }
      : authority,
  );
  return { ...hierarchy, authorities };
}

export async function openCustodyWorld(): Promise<CustodyWorld> {
  worlds += 1;
  const sharedToken = `custody-${worlds}-a`;
  const otherToken = `custody-${worlds}-b`;
  const tokens = new Map([sharedToken, otherToken].map((label) => [label, newSoftHsmToken(label)]));
  const { library } = tokens.get(sharedToken)!;
  const readPin = (label: string) => readPinFile(tokens.get(label)!.pinFile);
  const provisioner = createPkcs11Provisioner({ library, readPin, random: (bytes) => randomBytes(bytes) });
  const world = await openIssuanceWorld({
    hierarchy: withTokenOf(hierarchyOf(hierarchyText(sharedToken)), 'devices', otherToken),
    pkcs11Provisioner: provisioner,
  });
  provisioner.close();
  const queue = world.store.queue('signing-pkcs11', { receiveCountMax, deadLetterQueue: 'signing-pkcs11-dead' });
  const backends = new Map<string, Pkcs11Backend>();
  for (const caId of Object.keys(profileOf)) {
    const { backendRef: ref, spkiSha256 } = (await world.authorities.newest(caId))!;
    const authority = { caId, ref, spkiSha256, signingAlgorithm: 'SHA256WITHECDSA' } as const;
    const label = caId === 'devices' ? otherToken : sharedToken;
    backends.set(
      caId,
      createPkcs11Backend({ library, authority, readPin: () => readPin(label), clock: () => world.now }),
    );
  }
  const alarms: RaisedAlarm[] = [];
  const report = signerReport((name, { caId, findings }) =>
    alarms.push({
      name,
      caId: String(caId),
      codes: (findings as readonly { readonly code: string }[] | undefined)?.map(({ code }) => code) ?? [],
    }),
  );
  const ports = {
    ...world.signerPorts({ backendOf: (issuer) => backends.get(issuer.caId), report }),
    signingQueue: (kind: string) => (kind === 'pkcs11' ? queue : undefined),
  };
  const handler: BatchHandler = (event, context) =>
    runBatch(event, async (ids) => sendLater(ports, await issueCertificates(ports, ids)), context as BatchContext);
  const onError = (cause: unknown) => {
    throw cause;
  };
  return {
    world,
    queue,
    alarms,
    library,
    sharedToken,
    backendOf: (caId) => backends.get(caId)!,
    async enqueue(caId) {
      const id = await approved(world, { profile: profileOf[caId] });
      await queue.send([id]);
      return id;
    },
    async deliver() {
      while ((await pollOnce(mappingOf(queue.name), queue, handler, onError, 0)) > 0);
    },
    stateOf: (issuanceId) => stateOf(world, issuanceId),
    async close() {
      for (const backend of backends.values()) backend.close();
      await world.close();
    },
  };
}
