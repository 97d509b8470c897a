import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createHttpClient, jsonOf } from '../../cli/http-client.ts';
import { styled, wantsColor } from '../../cli/terminal/text.ts';
import type { Hierarchy } from '../../shared/hierarchy/hierarchy.ts';
import {
  readDevHierarchy,
  serviceEnvironment,
  setUpState,
  startAcmPca,
  usesAcmPca,
  waitUntilFree,
} from './bring-up.ts';
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
import type { SetUpResult } from './set-up.ts';
import { openStateFolder, type StateFolder } from './state-folder.ts';

const repeatedSignalMs = 1_000;

/** One run of `npm start`; answers its exit status. */
export async function runStart(options: StartOptions): Promise<number> {
  const say = options.json || options.quiet ? () => undefined : (text: string) => void process.stdout.write(text);
  const hierarchy = readDevHierarchy(options.hierarchyFile);
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
    const acmPca = usesAcmPca(hierarchy)
      ? watch(await startAcmPca(state), 'the ACM PCA endpoint', state.acmPcaLogFile)
      : undefined;
    const up = await setUpState(hierarchy, state, acmPca?.url, say);
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

class ServiceGoneError extends Error {
  readonly code = 'service-gone';
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
    env: serviceEnvironment(options.hierarchyFile, state, up, acmPcaEndpoint),
    logFile: state.logFile,
    name: 'the service',
  });
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
