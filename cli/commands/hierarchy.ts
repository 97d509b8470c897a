import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { HierarchyWorkOptions } from '../../localstack/embedded/hierarchy-work.ts';
import type { PinTerminalInput } from '../../shared/adapters/pkcs11/pin-source.ts';
import {
  findAuthority,
  formatHierarchyFault,
  type Hierarchy,
  type HierarchyFault,
  parseHierarchy,
} from '../../shared/hierarchy/hierarchy.ts';
import { publishedPrices } from '../../shared/inventory/prices.ts';
import type { BuildStep } from '../../shared/issuance/build-hierarchy.ts';
import { certificatePrices } from '../../shared/issuance/certificate-prices.ts';
import type { HierarchyPlan } from '../../shared/issuance/plan-hierarchy.ts';
import { sha256Hex } from '../../shared/pki/hash.ts';
import { encodePem } from '../../shared/pki/pem.ts';
import { judgeCeremony } from '../ceremony/adoption.ts';
import { type Command, type CommandContext, CommandFailure, type OptionDescription, UsageError } from '../command.ts';
import { stateFolderDefault } from '../service.ts';
import { progressBar } from '../terminal/progress-bar.ts';
import { printable } from '../terminal/text.ts';
import { isUnfinished, planJson, renderOutcome, renderPlan, toldOf } from './hierarchy-output.ts';

const options: Readonly<Record<string, OptionDescription>> = {
  hierarchy: { type: 'string', value: 'FILE', help: 'the hierarchy (SEALWRIGHT_HIERARCHY, hierarchy.yaml)' },
  adopt: {
    type: 'string',
    value: 'DIR',
    help: 'folder of a ceremony whose CAs are taken over (STATE/ceremony, when there is one)',
  },
  'air-gapped': { type: 'boolean', help: 'adopt CAs above the issuance tier whose key is on no token here' },
  pin: {
    type: 'string',
    multiple: true,
    value: 'TOKEN=SOURCE',
    help: 'where a token’s PIN is read: fd:N, file:PATH, secretsmanager:ARN or prompt; in dev the state folder has it',
  },
  region: { type: 'string', value: 'REGION', help: 'Region of ACM PCA, outside dev, and of the table (us-east-1)' },
  'crl-bucket': {
    type: 'string',
    value: 'NAME',
    help: 'bucket for the CRLs of CAs in ACM PCA that publish any (crl in the file); output CrlBucketName',
  },
  table: {
    type: 'string',
    value: 'NAME',
    help: 'DynamoDB table of a deployment on AWS, where its functions read the CAs',
  },
};

export const hierarchyCommands: readonly Command[] = [
  {
    name: 'hierarchy plan',
    arguments: [],
    summary: 'show what apply would do, and when each CA stops issuing; changes nothing',
    options,
    examples: ['npx sealwright hierarchy plan', 'npx sealwright hierarchy plan --hierarchy next.yaml --json'],
    run: plan,
  },
  {
    name: 'hierarchy apply',
    arguments: [],
    summary: 'make the CAs of hierarchy.yaml, adopt those of a ceremony; can be interrupted and run again',
    options: {
      ...options,
      roster: {
        type: 'string',
        value: 'FILE',
        help: 'whose signatures count: verifies the transcript of the ceremony before anything is adopted; needed in prod',
      },
    },
    examples: [
      'npx sealwright hierarchy apply',
      'npx sealwright hierarchy apply --adopt root-g1 --roster roster --air-gapped',
      'npx sealwright hierarchy apply --pin hsm-root=prompt',
    ],
    run: apply,
  },
  {
    name: 'hierarchy request',
    arguments: ['CA'],
    summary: 'take out the certification request of a CA, to be signed in a ceremony; makes its key if there is none',
    options: { ...options, out: { type: 'string', value: 'FILE', help: 'where to write it (standard output)' } },
    examples: ['npx sealwright hierarchy request subordinate --out subordinate.csr'],
    run: request,
  },
];

async function request(context: CommandContext): Promise<number> {
  const { work } = await readOptions(context);
  const [id = ''] = context.positionals;
  const authority = findAuthority(work.hierarchy, id);
  if (authority === undefined || authority.parent === undefined) {
    const why = authority === undefined ? 'there is no CA' : 'a root signs itself: there is no request to take out for';
    const others = work.hierarchy.authorities.filter(({ parent }) => parent !== undefined);
    throw new CommandFailure('authority-unknown', `${why} ${printable(id)}`, [
      `one of ${others.map((one) => one.id).join(', ')}`,
    ]);
  }
  const { requestOfAuthority } = await import('../../localstack/embedded/hierarchy-work.ts');
  const der = await failing(context, () => requestOfAuthority(work, authority));
  const digest = sha256Hex(der);
  const pem = encodePem('CERTIFICATE REQUEST', der);
  const out = context.option('out');
  if (out !== undefined) writeFileSync(resolve(context.io.workingDirectory, out), pem);
  context.answer({ authority: id, request: pem, sha256: digest, file: out ?? null }, () =>
    out === undefined
      ? pem
      : `request of ${id} in ${printable(out)}\n  sha256:${digest}\n  read this digest to those who sign it, by another way than the file\n`,
  );
  return 0;
}

async function plan(context: CommandContext): Promise<number> {
  const { work, advice, file } = await readOptions(context);
  const { readPlan } = await import('../../localstack/embedded/hierarchy-work.ts');
  const reading = await failing(context, () => readPlan(work));
  context.answer(planJson(reading.plan, { file, stage: work.hierarchy.stage, advice, unasked: reading.unasked }), () =>
    renderPlan(reading.plan, {
      file,
      advice,
      color: context.color,
      unasked: reading.unasked,
      hsmMissing: reading.hsmMissing,
    }),
  );
  return reading.plan.refused > 0 ? 1 : 0;
}

async function apply(context: CommandContext): Promise<number> {
  const { work, advice, file } = await readOptions(context);
  const { applyHierarchy } = await import('../../localstack/embedded/hierarchy-work.ts');
  const progress = progressOf(context);
  try {
    const result = await failing(context, () => applyHierarchy(work, progress.begin, progress.step));
    progress.end();
    const { after, ceremony, hsmMissing, outcome, steps } = result;
    const json = {
      ...planJson(after, { file, stage: work.hierarchy.stage, advice, unasked: undefined }),
      outcome,
      ceremony: ceremony ?? null,
      failures: steps.flatMap((step) =>
        step.kind === 'failed' ? [{ caId: step.caId, message: toldOf(step.cause) }] : [],
      ),
    };
    context.answer(json, () =>
      renderOutcome(result, { file, advice, color: context.color, hsmMissing, unasked: undefined }),
    );
    return isUnfinished(result) ? 1 : 0;
  } finally {
    progress.end();
  }
}

/** A bar of the steps that the plan has; elsewhere than on a terminal a line a step, which a log keeps. */
function progressOf({ color, io, json }: CommandContext) {
  let bar = progressBar({ stream: io.stderr, label: '', total: 0, enabled: false, now: io.monotonic });
  let done = 0;
  const isTerminal = io.stderr.isTTY === true;
  return {
    begin(before: HierarchyPlan) {
      const total = before.authorities.reduce((sum, { steps }) => sum + steps.length, 0);
      bar = progressBar({
        stream: io.stderr,
        label: 'hierarchy',
        total,
        enabled: isTerminal && !json,
        color,
        now: io.monotonic,
      });
    },
    step(step: BuildStep) {
      if (step.kind === 'present') return;
      if (step.kind !== 'failed' && step.kind !== 'refused' && step.kind !== 'skipped') done += 1;
      if (isTerminal) bar.update(done, `${step.caId} ${step.kind}`);
      else if (!json) io.stderr.write(`${printable(step.caId)} generation ${step.generation}: ${step.kind}\n`);
    },
    end: () => bar.end(),
  };
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

interface ReadOptions {
  readonly work: HierarchyWorkOptions;
  readonly advice: readonly HierarchyFault[];
  readonly file: string;
}

async function readOptions(context: CommandContext): Promise<ReadOptions> {
  const { io } = context;
  const file = context.option('hierarchy') ?? io.environment.SEALWRIGHT_HIERARCHY ?? 'hierarchy.yaml';
  const { hierarchy, advice } = readFile(resolve(io.workingDirectory, file), file);
  const adopt = context.option('adopt');
  const work: HierarchyWorkOptions = {
    hierarchy,
    stateDir: resolve(io.workingDirectory, context.option('state') ?? stateFolderDefault),
    region: context.option('region') ?? 'us-east-1',
    tableName: context.option('table'),
    crlBucket: context.option('crl-bucket'),
    pkcs11Module: io.environment.SEALWRIGHT_PKCS11_MODULE,
    pins: await readPins(context, hierarchy),
    adoptDir: adopt === undefined ? undefined : resolve(io.workingDirectory, adopt),
    keysMayBeElsewhere: context.flag('air-gapped'),
    judgeCeremony: (dir, adopted) => judgeCeremony(context, dir, adopted, hierarchy.stage),
    now: io.now,
  };
  return { work, advice, file };
}

function readFile(
  path: string,
  shown: string,
): { readonly hierarchy: Hierarchy; readonly advice: readonly HierarchyFault[] } {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new CommandFailure('hierarchy-unreadable', `${printable(shown)} cannot be read (${code})`, [
      'name it with --hierarchy FILE',
    ]);
  }
  const reading = parseHierarchy(text, certificatePrices(publishedPrices));
  if (reading.ok) return reading;
  const { faults } = reading;
  const count = faults.length === 1 ? 'for one fault' : `for ${faults.length} faults`;
  throw new CommandFailure(
    'hierarchy-invalid',
    `the hierarchy is refused, ${count}:\n${faults.map((fault) => `  ${formatHierarchyFault(fault, printable(shown))}`).join('\n')}`,
  );
}

/** PINs of tokens, each read once from where the option says. */
async function readPins(context: CommandContext, hierarchy: Hierarchy): Promise<ReadonlyMap<string, string>> {
  const labels = new Set(
    hierarchy.authorities.flatMap(({ pkcs11 }) => (pkcs11 === undefined ? [] : [pkcs11.tokenLabel])),
  );
  const { parsePinSource, PinSourceError, readPin } = await import('../../shared/adapters/pkcs11/pin-source.ts');
  const pins = new Map<string, string>();
  for (const option of context.optionList('pin')) {
    const equals = option.indexOf('=');
    const label = option.slice(0, Math.max(0, equals));
    if (!labels.has(label))
      throw new UsageError(
        `--pin takes TOKEN=SOURCE, where TOKEN is one of: ${[...labels].map((one) => printable(one)).join(', ') || 'none (no CA of the file is on a token)'}`,
      );
    try {
      const source = option.slice(equals + 1);
      parsePinSource(source);
      pins.set(
        label,
        await readPin(
          source,
          { input: process.stdin as PinTerminalInput, output: context.io.stderr },
          `PIN of token ${printable(label)}`,
        ),
      );
    } catch (cause) {
      if (!(cause instanceof PinSourceError)) throw cause;
      throw new CommandFailure(cause.code, `--pin ${printable(label)}: ${cause.message}`);
    }
  }
  return pins;
}

/** What stands in the way of the whole work, with what to type. */
async function failing<T>(context: CommandContext, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const code = (cause as { readonly code?: unknown }).code;
    if (code === 'state-in-use')
      throw new CommandFailure('state-in-use', messageOf(cause), [
        'stop the service (Ctrl-C where npm start runs), then type this again',
        'npx sealwright hierarchy plan works beside it',
      ]);
    if (
      code === 'state-folder' ||
      code === 'start-failed' ||
      code === 'start-timeout' ||
      String(code).startsWith('state-') ||
      String(code).startsWith('storage-')
    )
      throw new CommandFailure(String(code), messageOf(cause));
    if (cause instanceof RangeError) throw new CommandFailure('stage-refused', messageOf(cause));
    void context;
    throw cause;
  }
}
