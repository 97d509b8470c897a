import { resolve } from 'node:path';
import type { BackupManifest, OnStep, Verified } from '../../localstack/embedded/state-backup.ts';
import type { CounterCheck } from '../../shared/issuance/check-counters.ts';
import { type Command, type CommandContext, CommandFailure, UsageError } from '../command.ts';
import { stateFolderDefault } from '../service.ts';
import { printable, wrap } from '../terminal/text.ts';

export const stateCommands: readonly Command[] = [
  {
    name: 'state backup',
    arguments: ['DIR'],
    summary: 'copy the ledger, and in dev the keys, of the state folder to DIR, while the service runs',
    options: { 'ledger-only': { type: 'boolean', help: 'without keys, PINs and tokens of callers' } },
    examples: ['npx sealwright state backup /backups/monday', 'npx sealwright state backup b --ledger-only'],
    run: backup,
  },
  {
    name: 'state verify',
    arguments: ['DIR'],
    summary: 'check a backup: every byte, every page of the ledger, counters against a recount',
    options: {},
    examples: ['npx sealwright state verify /backups/monday'],
    run: verify,
  },
  {
    name: 'state restore',
    arguments: ['DIR'],
    summary: 'verify a backup, copy it to a new state folder, and say what to do before it issues again',
    options: { into: { type: 'string', value: 'DIR', help: 'the new state folder: not there yet, or empty' } },
    examples: ['npx sealwright state restore /backups/monday --into restored', 'npm start -- --state restored'],
    run: restore,
  },
];

/** The command is on the machine of the state: its module is loaded when it is used. */
const stateBackup = () => import('../../localstack/embedded/state-backup.ts');

async function backup(context: CommandContext): Promise<number> {
  const { backupState } = await stateBackup();
  const state = resolve(context.io.workingDirectory, context.option('state') ?? stateFolderDefault);
  const target = resolve(context.io.workingDirectory, context.positionals[0]!);
  const withKeys = !context.flag('ledger-only');
  const verified = await refusing(() =>
    backupState(state, target, { withKeys, now: context.io.now(), onStep: progress(context) }),
  );
  const warning = withKeys
    ? 'It holds the keys and PINs of development: whoever has it signs as their CAs. Keep it as you keep them.\n'
    : 'It holds no keys: those of an HSM are in the backups of its cluster (docs/backup.md).\n';
  return tell(context, verified, `backed up to ${printable(target)}`, warning);
}

async function verify(context: CommandContext): Promise<number> {
  const { verifyBackup } = await stateBackup();
  const folder = resolve(context.io.workingDirectory, context.positionals[0]!);
  return tell(
    context,
    await refusing(() => verifyBackup(folder, progress(context))),
    `${printable(folder)} is what was made`,
    '',
  );
}

async function restore(context: CommandContext): Promise<number> {
  const into = context.option('into');
  if (into === undefined) throw new UsageError('state restore needs --into DIR; npx sealwright state restore --help');
  const { restoreState } = await stateBackup();
  const folder = resolve(context.io.workingDirectory, context.positionals[0]!);
  const target = resolve(context.io.workingDirectory, into);
  const verified = await refusing(() => restoreState(folder, target, context.io.now(), progress(context)));
  const next = [
    `What was issued, revoked or released after ${verified.manifest.madeAt} is not in it. Before callers are let in (docs/backup.md):`,
    '  revoke again what was revoked since: certificates, enrolment credentials',
    '  npx sealwright audit run, once it runs: what ACM PCA has issued since and this ledger does not know',
    `  npm start -- --state ${printable(into)}`,
    '',
  ];
  return tell(context, verified, `restored to ${printable(target)}`, next.join('\n'));
}

const progressEveryMs = 1_000;

/** What is being done, on standard error: a long step at once, others once a second, so that short work says nothing. */
function progress({ io, json }: CommandContext): OnStep {
  let toldAt = io.monotonic();
  return (text, isLong) => {
    if (json || (!isLong && io.monotonic() - toldAt < progressEveryMs)) return;
    toldAt = io.monotonic();
    io.stderr.write(`… ${printable(text)}\n`);
  };
}

/** Exit 1 when the counters are not a recount: the copy is one, but what was copied is not sound. */
function tell(context: CommandContext, { check, manifest }: Verified, done: string, more: string): number {
  context.answer(jsonOf(manifest, check), () => `${done}\n${summaryOf(manifest, check)}${more}`);
  return check.differing === 0 ? 0 : 1;
}

function jsonOf({ files, ...manifest }: BackupManifest, check: CounterCheck) {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return { ...manifest, files: files.length, bytes, recount: check };
}

function summaryOf({ backupId, files, ledger, madeAt, withKeys }: BackupManifest, check: CounterCheck): string {
  const states = Object.entries(ledger.byState).map(([state, count]) => `${state} ${count}`);
  const equal =
    check.differing === 0
      ? `equal a recount of ${check.certificates} certificates`
      : `${check.differing} DIFFER from a recount of ${check.certificates} certificates`;
  const rows = [
    ['backup', `${backupId}, made ${madeAt}`],
    ['files', `${files.length}${withKeys ? ', keys of development among them' : ', the ledger alone'}`],
    ['CAs', String(ledger.authorities)],
    ['issuances', `${ledger.issuances}${states.length === 0 ? '' : `: ${states.join(', ')}`}`],
    ['last change', String(ledger.lastChange)],
    ['counters', `${check.counters}, ${equal}`],
    ...check.differences.map(({ bucketStart, caId, counted, dimension, recounted, value }) => [
      '',
      `${caId}, ${dimension}${value === '' ? '' : ` ${value}`}, ${day(bucketStart)}: issued ${counted.issued}, revoked ${counted.revoked}; recounted ${recounted.issued}, ${recounted.revoked}`,
    ]),
  ];
  return rows
    .map(([label = '', text = '']) =>
      wrap(printable(text), 100 - labelWidth - 3, 4)
        .map((line, nth) => `  ${(nth === 0 ? label : '').padEnd(labelWidth)} ${line}\n`)
        .join(''),
    )
    .join('');
}

const labelWidth = 12;

function day(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

const nextOf: Readonly<Record<string, readonly string[]>> = {
  'state-missing': ['name the state folder: --state DIR'],
  'target-not-empty': ['name a folder that does not exist yet'],
  'state-corrupt': ['take an earlier backup: sealwright state verify DIR'],
  'state-newer': ['use the program of the version that wrote it'],
};

async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const { code, faults = [], message } = cause as Error & { readonly code?: string; readonly faults?: string[] };
    if (typeof code !== 'string') throw cause;
    const named = faults.slice(0, 10).map(printable);
    const more = faults.length > named.length ? [`and ${faults.length - named.length} more`] : [];
    throw new CommandFailure(code, printable(message), [...named, ...more, ...(nextOf[code] ?? [])]);
  }
}
