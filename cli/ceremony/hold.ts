/** Puts a ceremony together from the command line: script, hierarchy, folder, token, and who answers. */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { openStateFolder } from '../../localstack/embedded/state-folder.ts';
import { createCeremonyToken } from '../../shared/adapters/pkcs11/ceremony-token.ts';
import { PinSourceError, readPin } from '../../shared/adapters/pkcs11/pin-source.ts';
import { Pkcs11Failure } from '../../shared/adapters/pkcs11/return-values.ts';
import { prepareSoftHsmToken, readPinFile } from '../../shared/adapters/pkcs11/softhsm.ts';
import {
  type CeremonyMode,
  type CeremonyScript,
  type CeremonySummary,
  certifiedAuthority,
} from '../../shared/ceremony/ceremony.ts';
import type { ClusterDescription } from '../../shared/custody/key-description.ts';
import {
  type Authority,
  findAuthority,
  formatHierarchyFault,
  type Hierarchy,
  parseHierarchy,
} from '../../shared/hierarchy/hierarchy.ts';
import { hierarchyBytesMax } from '../../shared/hierarchy/yaml-source.ts';
import { SealwrightError } from '../../shared/issuance/errors.ts';
import { type CommandContext, CommandFailure, UsageError } from '../command.ts';
import { printable } from '../terminal/text.ts';
import { operatorFromAnswers } from './answers.ts';
import { conduct } from './conduct.ts';
import { ceremonyFolder, makeFolders, openTranscriptFile, readBounded } from './files.ts';
import type { Operator } from './operator.ts';
import { readScript } from './read-script.ts';
import type { CeremonySession } from './session.ts';
import { operatorAtTerminal } from './terminal-operator.ts';

/** Where distributions put SoftHSM. */
const softHsmPlaces = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib64/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
  '/usr/lib64/libsofthsm2.so',
  '/usr/lib/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
  '/opt/homebrew/lib/softhsm/libsofthsm2.so',
];

export interface HeldCeremony {
  readonly summary: CeremonySummary;
  readonly dir: string;
  readonly hierarchyFile: string;
  readonly stateDir: string;
}

interface Material {
  readonly script: CeremonyScript;
  readonly scriptText: string;
  readonly hierarchy: Hierarchy;
  readonly hierarchyText: string;
  readonly hierarchyFile: string;
  readonly authority: Authority;
}

function readMaterial(context: CommandContext, mode: CeremonyMode): Material {
  const path = context.positionals[0]!;
  const { script, text: scriptText } = readScript(context.io.workingDirectory, path);
  const hierarchyFile = resolve(context.io.workingDirectory, dirname(path), script.hierarchy);
  const hierarchyText = readBounded(hierarchyFile, hierarchyBytesMax).toString('utf8');
  const reading = parseHierarchy(hierarchyText);
  if (!reading.ok) {
    throw new CommandFailure(
      'hierarchy-refused',
      `the hierarchy is refused for ${reading.faults.length} faults`,
      reading.faults.map((fault) => formatHierarchyFault(fault, printable(script.hierarchy))),
    );
  }
  const { hierarchy } = reading;
  const described = findAuthority(hierarchy, script.authority);
  if (described?.pkcs11 === undefined) {
    const why = described === undefined ? 'is not in the hierarchy' : 'has no key on a PKCS #11 token';
    throw new CommandFailure('authority-unknown', `CA ${script.authority} ${why}`, [
      'a ceremony is for a CA with backend: pkcs11; name it as authority in the script',
    ]);
  }
  const authority = certifiedAuthority(described, mode, hierarchy.stage);
  return { script, scriptText, hierarchy, hierarchyText, hierarchyFile, authority };
}

/** Holds the ceremony of the script on the command line. */
export async function holdCeremony(context: CommandContext, mode: CeremonyMode): Promise<HeldCeremony> {
  const { io, json } = context;
  const material = readMaterial(context, mode);
  const say = (text: string) => void (json ? io.stderr : io.stdout).write(text);
  const dir = folderOf(context);
  try {
    const { token, operator } = await openBoth(context, mode, material, say);
    const folder = ceremonyFolder(dir);
    makeFolders(folder);
    const file = openTranscriptFile(folder.transcriptFile);
    const { script, hierarchy, authority } = material;
    const session: CeremonySession = {
      ...{ mode, script, hierarchy, authority, folder, token, operator, say, file },
      now: io.now,
      transcript: undefined,
    };
    say(`${script.title}: a ${mode}\nscript sha256:${script.sha256}\n`);
    say(
      `CA ${authority.id}, generation ${authority.generation}, stage ${hierarchy.stage}; records in ${printable(dir)}\n`,
    );
    try {
      const texts = { script: material.scriptText, hierarchy: material.hierarchyText };
      const summary = await conduct(session, texts);
      return { summary, dir, hierarchyFile: material.hierarchyFile, stateDir: stateDirOf(context) };
    } finally {
      file.close();
      token.close();
      operator.close();
    }
  } catch (error) {
    throw asFailure(error);
  }
}

/** Errors of the module and of the PIN are for the room, too; anything else is a defect of ours. */
function asFailure(error: unknown): unknown {
  if (error instanceof Pkcs11Failure || error instanceof PinSourceError || error instanceof SealwrightError) {
    return new CommandFailure(error.code, printable(error.message), [
      'nothing was recorded of what failed; the same command goes on from there',
    ]);
  }
  return error;
}

/** `--out`, else `ceremony` in the state folder. */
function folderOf(context: CommandContext): string {
  const out = context.option('out');
  const { workingDirectory } = context.io;
  return out === undefined ? join(stateDirOf(context), 'ceremony') : resolve(workingDirectory, out);
}

export function stateDirOf(context: CommandContext): string {
  return resolve(context.io.workingDirectory, context.option('state') ?? '.sealwright');
}

async function openBoth(
  context: CommandContext,
  mode: CeremonyMode,
  { authority, hierarchy }: Material,
  say: (text: string) => void,
): Promise<Pick<CeremonySession, 'token' | 'operator'>> {
  const answers = context.option('answers');
  const operatorOf = (): Operator =>
    answers === undefined
      ? operatorAtTerminal(context.io, say)
      : operatorFromAnswers(resolve(context.io.workingDirectory, answers), {
          privateKeysAllowed: mode === 'rehearsal',
        });
  if (mode === 'rehearsal') {
    // The folder and the token that the embedded stack finds again: what was rehearsed can be tried out.
    const state = openStateFolder(stateDirOf(context), false);
    const { tokenLabel } = authority.pkcs11!;
    const prepared = prepareSoftHsmToken({ libraryPath: softHsmOf(context), folder: state.pkcs11Dir, tokenLabel });
    const token = createCeremonyToken({
      library: prepared.library,
      authority,
      readPin: () => readPinFile(prepared.pinFile),
    });
    return { token, operator: operatorOf() };
  }
  if (answers !== undefined && hierarchy.stage !== 'dev')
    throw new UsageError('a ceremony for prod is held by people: --answers is for stage dev and for rehearsals');
  const path = context.io.environment.SEALWRIGHT_PKCS11_MODULE;
  if (path === undefined || path === '') {
    throw new CommandFailure('module-missing', 'which PKCS #11 module holds the key is not said', [
      'SEALWRIGHT_PKCS11_MODULE=/path/of/its/library.so npx sealwright ceremony run …',
    ]);
  }
  const pinIo = { input: process.stdin, output: context.io.stderr };
  const pin = await readPin(context.option('pin') ?? 'prompt', pinIo, `PIN of token ${authority.pkcs11!.tokenLabel}`);
  const token = createCeremonyToken({
    library: { path, softhsmConf: context.io.environment.SOFTHSM2_CONF },
    authority,
    readPin: () => pin,
    validations: hierarchy.modules,
    ...clusterReader(context, hierarchy),
  });
  return { token, operator: operatorOf() };
}

/** Nothing without --cluster: then what PKCS #11 says is all there is, and no validation is known. */
function clusterReader(
  context: CommandContext,
  { stage }: Hierarchy,
): { readonly describeCluster?: () => Promise<ClusterDescription> } {
  const clusterId = context.option('cluster');
  const region = context.option('region') ?? context.io.environment.AWS_REGION;
  if (clusterId === undefined) return {};
  if (region === undefined) throw new UsageError('--cluster needs --region, or AWS_REGION');
  return {
    async describeCluster() {
      const { createCloudHsmClient } = await import('../../shared/adapters/cloudhsm/client.ts');
      const { describeCluster } = await import('../../shared/adapters/cloudhsm/describe-cluster.ts');
      const { configuredServers, libraryConfigurationDefault } = await import(
        '../../shared/adapters/cloudhsm/library-configuration.ts'
      );
      const client = createCloudHsmClient({ stage, region });
      try {
        const servers = configuredServers(libraryConfigurationDefault);
        return await describeCluster(client, { clusterId, configuredServers: servers, now: context.io.now() });
      } catch (error) {
        const message = `CloudHSM does not say what cluster ${printable(clusterId)} is: ${printable((error as Error).message)}`;
        throw new CommandFailure('cluster-unreadable', message, ['check the region and the credentials']);
      } finally {
        client.destroy();
      }
    },
  };
}

/** SoftHSM even where another module is configured: a rehearsal never touches that one. */
function softHsmOf(context: CommandContext): string {
  const named = context.io.environment.SEALWRIGHT_PKCS11_MODULE ?? '';
  const places = /softhsm/i.test(named) ? [named, ...softHsmPlaces] : softHsmPlaces;
  const found = places.find((place) => existsSync(place));
  if (found !== undefined) return found;
  throw new CommandFailure('softhsm-missing', 'a rehearsal is held on SoftHSM, which is not on this machine', [
    'sudo apt-get install softhsm2 (Fedora: dnf install softhsm; macOS: brew install softhsm)',
  ]);
}
