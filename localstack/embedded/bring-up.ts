/** What `npm start` and `npm run dev` bring up alike, before anything serves: the state, the ACM PCA endpoint, the CAs. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockState } from '../../shared/adapters/sqlite/state-lock.ts';
import { StorageError } from '../../shared/adapters/sqlite/storage-error.ts';
import { HierarchyError, readHierarchy } from '../../shared/adapters/stack/hierarchy-file.ts';
import { ledgerFile } from '../../shared/adapters/stack/stack.ts';
import { evaluateStage } from '../../shared/custody/custody.ts';
import type { Hierarchy } from '../../shared/hierarchy/hierarchy.ts';
import type { BuildStep } from '../../shared/issuance/build-hierarchy.ts';
import { type ChildService, startChild } from './service-process.ts';
import { type SetUpResult, setUp } from './set-up.ts';
import type { StateFolder } from './state-folder.ts';

const region = 'us-east-1';
const releaseMsMax = 15_000;

/**
 * The processes of a run whose main process was killed need a moment to finish what they have accepted. Starting anew at
 * once is what one does then, so it waits for them; whoever still has the state after that is another run.
 */
export async function waitUntilFree(stateDir: string): Promise<void> {
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

/** Throws `HierarchyError` for one with faults, and outside `dev`: the embedded stack is not for production. */
export function readDevHierarchy(file: string): Hierarchy {
  const hierarchy = readHierarchy(file);
  refuseOutsideDev(hierarchy);
  return hierarchy;
}

export function usesAcmPca({ authorities }: Hierarchy): boolean {
  return authorities.some(({ backend }) => backend === 'acm-pca');
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

/** Callers and CAs. Says on standard error what of the hierarchy cannot sign here. */
export async function setUpState(
  hierarchy: Hierarchy,
  state: StateFolder,
  acmPcaEndpoint: string | undefined,
  say: (text: string) => void,
): Promise<SetUpResult> {
  const up = await setUp({
    hierarchy,
    state,
    acmPcaEndpoint,
    region,
    pkcs11Module: process.env.SEALWRIGHT_PKCS11_MODULE,
    report: reportStep(say),
  });
  if (up.hsmMissing !== undefined)
    process.stderr.write(`sealwright: ${up.hsmMissing}: profiles of an HSM-backed CA answer 503\n`);
  return up;
}

/** The environment of the functions on the embedded stack. */
export function serviceEnvironment(
  hierarchyFile: string,
  state: StateFolder,
  up: SetUpResult,
  acmPcaEndpoint: string | undefined,
): NodeJS.ProcessEnv {
  return childEnvironment({
    SEALWRIGHT_STACK: 'embedded',
    SEALWRIGHT_HIERARCHY: hierarchyFile,
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
