import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createHttpClient, jsonOf } from '../../cli/http-client.ts';
import { styled, wantsColor } from '../../cli/terminal/text.ts';
import { lockState } from '../../shared/adapters/sqlite/state-lock.ts';
import { StorageError } from '../../shared/adapters/sqlite/storage-error.ts';
import { HierarchyError, ledgerFile, readHierarchy } from '../../shared/adapters/stack/stack.ts';
import { evaluateStage } from '../../shared/custody/custody.ts';
import type { Hierarchy } from '../../shared/hierarchy/hierarchy.ts';
import type { BuildStep } from '../../shared/issuance/build-hierarchy.ts';
import {
  type FleetProfile,
  type FleetResult,
  fleetProfilesOf,
  fleetProgressBar,
  fleetReport,
  fleetSucceeded,
  type ReportedAuthority,
  renderFleetSummary,
  runCsrDirectory,
  runFleet,
} from './fleet/index.ts';
import { type StartOptions, stateDirDefault } from './options.ts';
import { type ChildService, startChild } from './service-process.ts';
import { type SetUpResult, setUp } from './set-up.ts';
import { openStateFolder, type StateFolder } from './state-folder.ts';

const region = 'us-east-1';
const releaseMsMax = 15_000;
const repeatedSignalMs = 1_000;

/** One run of `npm start`; answers its exit status. */
export async function runStart(options: StartOptions): Promise<number> {
  const say = options.json || options.quiet ? () => undefined : (text: string) => void process.stdout.write(text);
  const hierarchy = readHierarchy(options.hierarchyFile);
  refuseOutsideDev(hierarchy);
  await waitUntilFree(options.stateDir);
  const state = openStateFolder(options.stateDir, options.fresh);
  const children: ChildService[] = [];
  // What is stopping has been told once; told again, it ends at once, and its next start takes up what was under way.
  const interrupted = interruption(() => {
    for (const child of children) child.process.kill('SIGTERM');
  });
  const dying = Promise.withResolvers<never>();
  dying.promise.catch(() => undefined);
  const watch = (child: ChildService, name: string, log: string) => {
    children.push(child);
    child.process.once('exit', (code, signal) =>
      dying.reject(new ServiceGoneError(`${name} ended (${signal ?? `exit ${code}`}); its log is ${log}`)),
    );
    return child;
  };
  try {
    const acmPca = hierarchy.authorities.some(({ backend }) => backend === 'acm-pca')
      ? watch(await startAcmPca(state), 'the ACM PCA endpoint', state.acmPcaLogFile)
      : undefined;
    const up = await setUp({
      hierarchy,
      state,
      acmPcaEndpoint: acmPca?.url,
      region,
      pkcs11Module: process.env.SEALWRIGHT_PKCS11_MODULE,
      report: reportStep(say),
    });
    if (up.hsmMissing !== undefined)
      process.stderr.write(`sealwright: ${up.hsmMissing}: profiles of an HSM-backed CA answer 503\n`);
    const service = watch(await startService(options, state, up, acmPca?.url), 'the service', state.logFile);
    say(banner(service.url, state, options));
    const work = enrolAndServe(options, hierarchy, up, service.url, say, interrupted.signal);
    return await Promise.race([work, dying.promise]);
  } finally {
    // The service first: it drains what it has accepted, and needs the endpoint for it.
    for (const child of children.toReversed()) {
      child.process.removeAllListeners('exit');
      await child.stop();
    }
  }
}

/**
 * The processes of a run whose main process was killed need a moment to finish what they have accepted. Starting anew at
 * once is what one does then, so it waits for them; whoever still has the state after that is another run.
 */
async function waitUntilFree(stateDir: string): Promise<void> {
  const ledger = ledgerFile(stateDir);
  const until = performance.now() + releaseMsMax;
  let told = false;
  while (existsSync(ledger)) {
    try {
      lockState(ledger).release();
      return;
    } catch (cause) {
      if (!(cause instanceof StorageError) || cause.code !== 'state-in-use' || performance.now() > until) throw cause;
      if (!told) process.stderr.write(`sealwright: ${cause.message}; waiting ${releaseMsMax / 1000} s for it to end\n`);
      told = true;
      await sleep(100);
    }
  }
}

class ServiceGoneError extends Error {
  readonly code = 'service-gone';
}

/** The embedded stack signs with SoftHSM and the local endpoint; neither is for production. */
function refuseOutsideDev(hierarchy: Hierarchy): void {
  const backends = [...new Set(hierarchy.authorities.map(({ backend }) => backend))];
  const usesPca = backends.includes('acm-pca');
  const findings = evaluateStage({
    stage: hierarchy.stage,
    backends,
    ...(usesPca ? { acmPcaEndpoint: 'http://127.0.0.1' } : {}),
  });
  if (findings.length > 0)
    throw new HierarchyError(
      `stage ${hierarchy.stage} is refused:\n${findings.map(({ message }) => `  ${message}`).join('\n')}`,
    );
}

/** The local ACM PCA endpoint over the state folder's keys and CAs. */
export function startAcmPca(state: StateFolder): Promise<ChildService> {
  const script = join(import.meta.dirname, '..', 'acm-pca', 'main.ts');
  return startChild(script, ['--port', '0', '--state', state.acmPcaDir, '--region', region], {
    env: childEnvironment({}),
    logFile: state.acmPcaLogFile,
    name: 'the ACM PCA endpoint',
  });
}

function startService(
  options: StartOptions,
  state: StateFolder,
  up: SetUpResult,
  acmPcaEndpoint: string | undefined,
): Promise<ChildService> {
  const args = ['--port', String(options.port), '--listen', options.listen];
  if (options.tlsCert !== undefined && options.tlsKey !== undefined)
    args.push('--tls-cert', options.tlsCert, '--tls-key', options.tlsKey);
  if (options.tlsClientCa !== undefined) args.push('--tls-client-ca', options.tlsClientCa);
  return startChild(join(import.meta.dirname, 'service.ts'), args, {
    env: childEnvironment({
      SEALWRIGHT_STACK: 'embedded',
      SEALWRIGHT_HIERARCHY: options.hierarchyFile,
      SEALWRIGHT_STATE: state.dir,
      SEALWRIGHT_BACKENDS: [...up.backends].join(','),
      SEALWRIGHT_ACM_PCA_ENDPOINT: acmPcaEndpoint,
      SEALWRIGHT_REGION: region,
      SEALWRIGHT_ACM_PCA_ISSUE_PER_SECOND: process.env.SEALWRIGHT_ACM_PCA_ISSUE_PER_SECOND,
      SEALWRIGHT_ACM_PCA_GET_PER_SECOND: process.env.SEALWRIGHT_ACM_PCA_GET_PER_SECOND,
      SEALWRIGHT_ACM_PCA_SHARE_FOR_OTHERS: process.env.SEALWRIGHT_ACM_PCA_SHARE_FOR_OTHERS,
      SEALWRIGHT_PKCS11_MODULE: process.env.SEALWRIGHT_PKCS11_MODULE,
      SEALWRIGHT_PKCS11_PIN_FILE: up.pinFile,
      SOFTHSM2_CONF: up.softhsmConf,
    }),
    logFile: state.logFile,
    name: 'the service',
  });
}

/** A child sees what it is given and the plain variables of a process; nothing of the developer's `AWS_*`. */
function childEnvironment(given: Readonly<Record<string, string | undefined>>): NodeJS.ProcessEnv {
  const inherited = [
    'PATH',
    'HOME',
    'LANG',
    'TZ',
    'TMPDIR',
    'NODE_OPTIONS',
    'NODE_COMPILE_CACHE',
    'UV_THREADPOOL_SIZE',
    'SEALWRIGHT_LOG_LEVEL',
    // What OpenSC's pkcs11-spy passes calls on to and writes them to, when it is the PKCS #11 module.
    'PKCS11SPY',
    'PKCS11SPY_OUTPUT',
  ];
  const environment: NodeJS.ProcessEnv = { POWERTOOLS_DEV: 'false' };
  for (const name of inherited) if (process.env[name] !== undefined) environment[name] = process.env[name];
  for (const [name, value] of Object.entries(given)) if (value !== undefined) environment[name] = value;
  return environment;
}

function reportStep(say: (text: string) => void): (step: BuildStep) => void {
  return (step) => {
    if (step.kind === 'registered') say(`  built CA ${step.caId} (generation ${step.generation})\n`);
    if (step.kind === 'adopted') say(`  adopted CA ${step.caId} (generation ${step.generation}) from a ceremony\n`);
    if (step.kind === 'refused') process.stderr.write(`sealwright: CA ${step.caId}: ${step.reasons.join('; ')}\n`);
    if (step.kind === 'skipped') process.stderr.write(`sealwright: CA ${step.caId} is left out: ${step.reason}\n`);
    if (step.kind === 'failed')
      process.stderr.write(
        `sealwright: CA ${step.caId} failed: ${step.cause instanceof Error ? step.cause.message : String(step.cause)}\n`,
      );
  };
}

function banner(url: string, state: StateFolder, options: StartOptions): string {
  const color = wantsColor(process.stdout, process.env);
  return [
    `${styled('Sealwright', 'bold', color)} serves on ${url}\n`,
    `  development only: keys are in SoftHSM and in an emulator of ACM PCA\n`,
    `  state ${state.dir}, log ${state.logFile}\n`,
    options.once ? '' : '  Ctrl-C stops it\n',
  ].join('');
}

/**
 * Ctrl-C, or the end of whoever started us. `hurry` is called when it comes again: within a second it is the same one, of which
 * npm, the terminal and the process group each deliver a copy.
 */
function interruption(hurry: () => void): AbortController {
  const controller = new AbortController();
  let firstAt: number | undefined;
  const interrupt = () => {
    firstAt ??= performance.now();
    if (performance.now() - firstAt > repeatedSignalMs) hurry();
    controller.abort();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  process.on('disconnect', interrupt);
  return controller;
}

async function enrolAndServe(
  options: StartOptions,
  hierarchy: Hierarchy,
  up: SetUpResult,
  url: string,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<number> {
  const interrupted = new Promise<'interrupted'>((resolve) => {
    if (signal.aborted) resolve('interrupted');
    signal.addEventListener('abort', () => resolve('interrupted'));
  });
  const profiles = fleetProfilesOf(hierarchy, (caId) =>
    up.authorities.some((authority) => authority.caId === caId && up.backends.has(authority.backend)),
  );
  const enrolled = await Promise.race([enrolSample(options, up, profiles, url, signal), interrupted]);
  if (enrolled === 'interrupted') return 130;
  const authorities = await readAuthorities(url, tlsAnchors(options));
  if (options.json) process.stdout.write(`${JSON.stringify(fleetReport(enrolled, authorities, url))}\n`);
  else if (enrolled.submitted > 0 && !options.quiet)
    say(
      renderFleetSummary(enrolled, authorities, {
        url,
        ...(options.stateDir === stateDirDefault ? {} : { stateDir: options.stateDir }),
        color: wantsColor(process.stdout, process.env),
      }),
    );
  const status = fleetSucceeded(enrolled) ? 0 : 1;
  if (options.once) return status;
  await interrupted;
  return 0;
}

async function enrolSample(
  options: StartOptions,
  up: SetUpResult,
  profiles: readonly FleetProfile[],
  url: string,
  signal: AbortSignal,
): Promise<FleetResult> {
  const bar = fleetProgressBar({
    stream: process.stderr,
    enabled: !options.json && !options.quiet,
    color: wantsColor(process.stderr, process.env),
  });
  const client = {
    baseUrl: url,
    deviceSecret: up.tokens.device,
    trustAnchorsPem: up.trustAnchorsPem,
    profiles,
    onProgress: bar.onProgress,
    signal,
    ...tlsAnchors(options),
  };
  try {
    return options.csrDir === undefined
      ? await runFleet({
          ...client,
          devices: options.devices,
          ...(options.profile === undefined ? {} : { profileOnly: options.profile }),
        })
      : await runCsrDirectory({ ...client, dir: options.csrDir, profileDefault: options.profile ?? 'device' });
  } finally {
    bar.end();
  }
}

async function readAuthorities(
  url: string,
  tls: { readonly tlsAnchorsPem?: string },
): Promise<readonly ReportedAuthority[]> {
  const client = createHttpClient({ baseUrl: url, ...tls });
  try {
    const answer = await client.send({ method: 'GET', path: '/v1/authorities', repeatable: true });
    return (jsonOf(answer) as { readonly authorities: readonly ReportedAuthority[] }).authorities;
  } finally {
    client.close();
  }
}

/** The certificate the service was given is what our own clients trust it by. */
function tlsAnchors(options: StartOptions): { readonly tlsAnchorsPem?: string } {
  return options.tlsCert === undefined ? {} : { tlsAnchorsPem: readFileSync(options.tlsCert, 'utf8') };
}
