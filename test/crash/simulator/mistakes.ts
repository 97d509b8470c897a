/**
 * Mistakes that projects like this one have made, planted one at a time: each has to make the simulator fail. They are put
 * between a use case and its ports, or stand in for a step; the product's code has no hooks for them.
 */
import type { ACMPCAClient } from '@aws-sdk/client-acm-pca';
import {
  GetCertificateCommand,
  IssueCertificateCommand,
  type IssueCertificateCommandInput,
} from '@aws-sdk/client-acm-pca';
import { redraftIntent } from '../../../shared/issuance/build-intent.ts';
import { issuanceIdOf } from '../../../shared/issuance/ids.ts';
import type { IssuanceRecord, NewIssuance } from '../../../shared/issuance/issuance-record.ts';
import type { AdvanceOutcome, IssuanceLedger, Transition } from '../../../shared/issuance/ports.ts';
import { type SettleOrphansPorts, settleOrphans } from '../../../shared/issuance/settle-orphans.ts';
import { type Intent, lintAndPrepare, type PreparedIssuance, redeem } from '../../../shared/lints/prepared-issuance.ts';
import { parseCertificate, parseTbsCertificate } from '../../../shared/pki/certificate.ts';
import { buildTbsCertificate } from '../../../shared/pki/certificate-builder.ts';
import { parseCertificationRequest } from '../../../shared/pki/certification-request.ts';
import { sha256Hex } from '../../../shared/pki/hash.ts';
import type { Role } from './faults.ts';
import type { PortsParts } from './ports.ts';
import type { Process } from './processes.ts';

export interface MistakeContext extends PortsParts {
  readonly process: Process;
  readonly role: Role;
}

/** A mistake that the simulator has to find. */
export interface Mistake {
  readonly name: string;
  readonly ledger?: (ledger: IssuanceLedger, context: MistakeContext) => IssuanceLedger;
  readonly client?: (client: ACMPCAClient) => ACMPCAClient;
  readonly settleOrphans?: (ports: SettleOrphansPorts) => Promise<unknown>;
  readonly ignoresFailures?: boolean;
}

type Intended = Extract<Transition, { readonly to: 'intended' }>;

const isSigner = (role: Role) => role.startsWith('sign');
const idOf = (move: Transition) => (move.to === 'intended' ? move.prepared.issuanceId : move.issuanceId);

/** The same capability once more, as if the first had not been redeemed. */
async function mintAgain(
  { prepared }: Intended,
  ledger: IssuanceLedger,
  { material }: MistakeContext,
): Promise<PreparedIssuance> {
  const { issuanceId, caId, csrDer, intent } = prepared;
  const { installed, certificate } = caId === 'devices' ? material.devices : material.workloads;
  const issuer = { ...installed, certificate, chainCertificates: installed.chain.map(parseCertificate) };
  const { profile = '' } = (await ledger.get(issuanceId)) ?? {};
  const draft = redraftIntent(intent, profile, issuer, parseCertificationRequest(csrDer).publicKey);
  const algorithm = intent.signingAlgorithm;
  const again = lintAndPrepare({ issuanceId, caId, csrDer, ...draft, algorithm }, material.throwaway(algorithm));
  if (again.kind === 'refused') throw new Error('an intent that was linted is refused');
  return again.prepared;
}

/** Says that an intent is written, lets it be signed, and writes it with what came of it. */
const signBeforeIntent: Mistake = {
  name: 'sign-before-intent',
  ledger(ledger, context) {
    if (!isSigner(context.role)) return ledger;
    const unwritten = context.process.module('unwritten intents', () => new Map<string, Intended>());
    return {
      ...ledger,
      async advance(transitions) {
        const answers: AdvanceOutcome[] = [];
        for (const move of transitions) {
          if (move.to === 'intended') {
            redeem(move.prepared);
            unwritten.set(idOf(move), move);
            answers.push({ kind: 'moved' });
            continue;
          }
          const intent = unwritten.get(idOf(move));
          unwritten.delete(idOf(move));
          if (intent !== undefined)
            await ledger.advance([{ ...intent, prepared: await mintAgain(intent, ledger, context) }]);
          answers.push(...(await ledger.advance([move])));
        }
        return answers;
      },
    };
  },
};

/** Counts what was asked for, not what was done. */
const addWithoutCondition: Mistake = {
  name: 'add-without-condition',
  ledger(ledger, { store: { database } }) {
    const count = database.prepare('UPDATE counters SET issued = issued + 1 WHERE ca_id = ?');
    const use = database.prepare('UPDATE credentials SET used = used + 1 WHERE id = ?');
    return {
      ...ledger,
      async receive(issuance) {
        const outcome = await ledger.receive(issuance);
        if (outcome.kind === 'conflict') use.run(issuance.credentialId);
        return outcome;
      },
      async advance(transitions) {
        const outcomes = await ledger.advance(transitions);
        for (const [index, move] of transitions.entries()) {
          if (move.to !== 'issued' || outcomes[index]?.kind !== 'conflict') continue;
          count.run((await ledger.get(move.issuanceId))?.caId ?? '');
        }
        return outcomes;
      },
    };
  },
};

/** Lambda without ReportBatchItemFailures: every message of a batch that was answered is deleted. */
const ignoreBatchItemFailures: Mistake = { name: 'ignore-batch-item-failures', ignoresFailures: true };

/** Takes a throttled poll for a lost certificate, and orders another. */
const reissueOnThrottle: Mistake = {
  name: 're-issue-on-throttle',
  client(client) {
    const ordered = new Map<string, IssueCertificateCommandInput>();
    const send = async (command: { readonly input: object }) => {
      try {
        const answer = (await client.send(command as GetCertificateCommand)) as { readonly CertificateArn?: string };
        if (command instanceof IssueCertificateCommand) ordered.set(answer.CertificateArn ?? '', command.input);
        return answer;
      } catch (error) {
        const order =
          command instanceof GetCertificateCommand ? ordered.get(command.input.CertificateArn ?? '') : undefined;
        if (order === undefined || (error as Error).name !== 'ThrottlingException') throw error;
        const IdempotencyToken = sha256Hex(Buffer.from(`${order.IdempotencyToken} again`)).slice(0, 32);
        await client.send(new IssueCertificateCommand({ ...order, IdempotencyToken }));
        throw error;
      }
    };
    return { send, config: client.config } as unknown as ACMPCAClient;
  },
};

/** Changes stored intents on their way to whoever takes them up again. */
function onRetry(
  name: string,
  change: (intent: Intent, context: MistakeContext) => Intent,
  isFor: (role: Role) => boolean = isSigner,
): Mistake {
  const changed = (record: IssuanceRecord | undefined, context: MistakeContext) =>
    record?.state === 'intended' && record.intent !== undefined
      ? { ...record, intent: change(record.intent, context) }
      : record;
  return {
    name,
    ledger: (ledger, context) =>
      isFor(context.role)
        ? { ...ledger, getMany: async (ids) => (await ledger.getMany(ids)).map((record) => changed(record, context)) }
        : ledger,
  };
}

function rebuilt(intent: Extract<Intent, { kind: 'tbs' }>, serial: Uint8Array, shiftMs: number): Intent {
  const tbs = parseTbsCertificate(intent.tbsDer);
  const notBefore = tbs.notBefore + shiftMs;
  const notAfter = tbs.notAfter + shiftMs;
  const tbsDer = buildTbsCertificate({
    serialNumber: serial,
    signingAlgorithm: intent.signingAlgorithm,
    issuer: tbs.issuer.der,
    notBefore,
    notAfter,
    subject: tbs.subject.der,
    publicKey: tbs.publicKey.der,
    extensions: tbs.extensions,
  });
  return { ...intent, tbsDer, serial: Buffer.from(serial).toString('hex'), notBefore, notAfter };
}

const freshSerialOnRetry = onRetry('fresh-serial-on-retry', (intent, { random }) => {
  if (intent.kind === 'template') return intent;
  const serial = random.bytes(16);
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  return rebuilt(intent, serial, 0);
});

const freshNowOnRetry = onRetry('fresh-now-on-retry', (intent, { kernel }) => {
  const shiftMs = Math.floor((kernel.now - intent.at) / 1000) * 1000;
  if (intent.kind === 'tbs') return rebuilt(intent, Buffer.from(intent.serial, 'hex'), shiftMs);
  return { ...intent, notBefore: intent.notBefore + shiftMs, notAfter: intent.notAfter + shiftMs, at: kernel.now };
});

/** Nobody looks how old a token is: neither who submits nor who sends it there. */
const tokenAfterWindow = onRetry(
  'token-reused-after-window',
  (intent, { kernel }) => (intent.kind === 'template' ? { ...intent, at: kernel.now } : intent),
  () => true,
);

/** Answers at once, and writes when there is time; what has not been written ends with the process. */
const writeAfterAcknowledgement: Mistake = {
  name: 'ledger-write-after-acknowledgement',
  ledger(ledger, { kernel, process, role }) {
    const later = (write: () => Promise<unknown>) =>
      kernel.after(2_000, () => (process.isAlive ? write().then(() => undefined) : undefined), 'owed');
    if (role !== 'enroll') return ledger;
    return {
      ...ledger,
      async receive(issuance) {
        later(() => ledger.receive(issuance));
        return { kind: 'received', record: recordOf(issuance) };
      },
    };
  },
};

function recordOf(issuance: NewIssuance): IssuanceRecord {
  const issuanceId = issuanceIdOf(issuance.requestId, issuance.ordinal);
  return {
    ...issuance,
    issuanceId,
    state: 'received',
    stateAt: issuance.receivedAt,
    attempts: 0,
    droppedExtensions: [],
  };
}

/** The move to `intended` without its condition: who comes second signs too. */
const twoSigners: Mistake = {
  name: 'two-signers-on-one-id',
  ledger: (ledger) => ({
    ...ledger,
    async advance(transitions) {
      const outcomes = await ledger.advance(transitions);
      return outcomes.map((outcome, index) => {
        const move = transitions[index]!;
        if (move.to !== 'intended' || outcome.kind !== 'conflict' || outcome.actual === undefined) return outcome;
        redeem(move.prepared);
        return { kind: 'moved' };
      });
    },
  }),
};

/** Takes the first certificate of the report that has the orphan's subject. */
const adoptBySubject: Mistake = {
  name: 'adopt-by-subject-alone',
  async settleOrphans(ports) {
    const { ledger, audits, auditReports, authorities, backendOf, clock } = ports;
    const issuer = await authorities.newest('devices');
    const backend = issuer === undefined ? undefined : backendOf(issuer);
    if (issuer === undefined || backend === undefined) return;
    const known = await audits.report(issuer.caId, issuer.generation);
    if (known?.status.kind !== 'ready') return void (await settleOrphans(ports));
    const arns = new Map<string, string[]>();
    for await (const { subject, arn } of auditReports.entries(issuer.backendRef, known.status.location))
      arns.set(subject, [...(arns.get(subject) ?? []), arn]);
    const suspected = await ledger.stale('orphan-suspected', clock() + 1, 100);
    for (const record of await ledger.getMany(suspected.map(({ issuanceId }) => issuanceId))) {
      if (record?.intent?.kind !== 'template') continue;
      const { issuanceId } = record;
      for (const ticket of arns.get(`CN=${record.intent.commonName}`) ?? []) {
        const [found] = await backend.collect([{ issuanceId, ticket }]);
        if (found?.kind !== 'issued') continue;
        const { fingerprint, tbs } = parseCertificate(found.certificateDer);
        const { serialHex: serial, notBefore, notAfter } = tbs;
        const certificate = { der: found.certificateDer, fingerprint, serial, notBefore, notAfter };
        const move = {
          to: 'issued',
          issuanceId,
          from: 'orphan-suspected',
          at: clock(),
          certificate,
          adopted: true,
        } as const;
        const [answer] = await ledger.advance([{ ...move, ticket }]);
        if (answer?.kind === 'moved') break;
      }
    }
    await settleOrphans(ports);
  },
};

export const mistakes: readonly Mistake[] = [
  signBeforeIntent,
  addWithoutCondition,
  ignoreBatchItemFailures,
  reissueOnThrottle,
  freshSerialOnRetry,
  freshNowOnRetry,
  tokenAfterWindow,
  writeAfterAcknowledgement,
  twoSigners,
  adoptBySubject,
];
