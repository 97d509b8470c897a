/** A folder with a script, a hierarchy and witnesses' keys, and the command run against it in a process of its own. */
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type CeremonyRecord,
  firstPrevious,
  isOfType,
  parseScript,
  readTranscript,
  renderRoster,
  type SignatureFile,
  statementOf,
  type TranscriptToVerify,
  verifyTranscript,
} from '../../shared/ceremony/ceremony.ts';
import { canonicalJson } from '../../shared/hierarchy/canonical-json.ts';
import { sha256Hex } from '../../shared/pki/hash.ts';
import { softHsmLibrary } from './softhsm.ts';

const project = join(import.meta.dirname, '..', '..');
export const ceremonySample = join(project, 'docs', 'ceremony');
export const witnessNames = ['alice', 'bob', 'carol'] as const;

export interface CommandResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `sealwright`; answers what it wrote. `input` is what a person types. */
export function sealwright(
  args: readonly string[],
  input = '',
  given: Readonly<Record<string, string>> = {},
): CommandResult {
  const { SOFTHSM2_CONF: _, ...environment } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(project, 'cli', 'sealwright.ts'), ...args], {
    encoding: 'utf8',
    input,
    env: {
      ...environment,
      ...(softHsmLibrary === undefined ? {} : { SEALWRIGHT_PKCS11_MODULE: softHsmLibrary }),
      ...given,
    },
    timeout: 60_000,
  });
  return { status, stdout, stderr };
}

/** A new ed25519 key of ssh-keygen; answers its public line. */
export function makeSshKey(file: string): string {
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'witness', '-f', file]);
  return readFileSync(`${file}.pub`, 'utf8').trim();
}

/** The armored signature that ssh-keygen makes over a text. */
export function signWithSshKeygen(keyFile: string, text: string, namespace = 'sealwright-ceremony'): string {
  return execFileSync('ssh-keygen', ['-q', '-Y', 'sign', '-n', namespace, '-f', keyFile], {
    input: text,
    encoding: 'latin1',
    stdio: ['pipe', 'pipe', 'ignore'],
  });
}

export interface CeremonyWorld {
  readonly dir: string;
  readonly scriptFile: string;
  readonly stateDir: string;
  readonly ceremonyDir: string;
  readonly transcriptFile: string;
  readonly roster: string;
  readonly keyFile: (witness: string) => string;
  answers(changed?: Readonly<Record<string, unknown>>): string;
  rehearse(changed?: Readonly<Record<string, unknown>>): CommandResult;
  transcript(): Buffer;
  records(): CeremonyRecord[];
  signatures(names?: readonly string[]): SignatureFile[];
  verify(changed?: Partial<TranscriptToVerify>): ReturnType<typeof verifyTranscript>;
  end(): void;
}

/** `script` changes the text of the sample's script. A subordinate's request is at `subordinate.csr`. */
export function openCeremonyWorld(script: (sample: string) => string = (sample) => sample): CeremonyWorld {
  const dir = mkdtempSync(join(tmpdir(), 'sealwright ceremony '));
  const keyFile = (witness: string) => join(dir, witness);
  let text = readFileSync(join(ceremonySample, 'root.yaml.in'), 'utf8');
  for (const name of witnessNames) text = text.replace(`@${name.toUpperCase()}@`, makeSshKey(keyFile(name)));
  const scriptFile = join(dir, 'root.yaml');
  writeFileSync(scriptFile, script(text));
  copyFileSync(join(ceremonySample, 'hierarchy.yaml'), join(dir, 'hierarchy.yaml'));
  const stateDir = join(dir, 'state');
  const ceremonyDir = join(stateDir, 'ceremony');
  const transcriptFile = join(ceremonyDir, 'transcript.jsonl');
  const reading = parseScript(readFileSync(scriptFile, 'utf8'));
  const roster = reading.ok ? renderRoster(reading.script) : '';
  const world: CeremonyWorld = {
    ...{ dir, scriptFile, stateDir, ceremonyDir, transcriptFile, roster, keyFile },
    answers(changed = {}) {
      const file = join(dir, 'answers.yaml');
      const answers = {
        people: { 'ceremony-administrator': 'Ada', operator: 'Ben', 'pin-holder': 'Cem' },
        witnesses: [...witnessNames],
        privateKeys: { alice: 'alice', bob: 'bob', carol: 'carol' },
        requests: { subordinate: 'subordinate.csr' },
        ...changed,
      };
      writeFileSync(file, JSON.stringify(answers));
      return file;
    },
    rehearse: (changed) =>
      sealwright([
        'ceremony',
        'rehearse',
        scriptFile,
        '--state',
        stateDir,
        '--answers',
        world.answers(changed),
        '--json',
      ]),
    transcript: () => readFileSync(transcriptFile),
    records() {
      const read = readTranscript(world.transcript());
      if (!read.ok) throw new Error(read.refusals[0]?.message);
      return [...read.transcript.records];
    },
    signatures: (names = witnessNames) =>
      names.flatMap((name) => {
        const file = join(ceremonyDir, 'signatures', `${name}.txt.sig`);
        return existsSync(file) ? [{ name, text: readFileSync(file, 'latin1') }] : [];
      }),
    verify: (changed = {}) =>
      verifyTranscript({ transcript: world.transcript(), roster, signatures: world.signatures(), ...changed }),
    end: () => rmSync(dir, { recursive: true, force: true }),
  };
  return world;
}

/** A request of the sample's subordinate CA as an HSM elsewhere would make it, by OpenSSL. */
export function makeSubordinateRequest(dir: string): string {
  const file = join(dir, 'subordinate.csr');
  const subject = '/CN=Example Ceremony Subordinate G1/O=Example Fleet/OU=Development only';
  const key = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-384',
    '-nodes',
    '-keyout',
    join(dir, 'subordinate.key'),
  ];
  execFileSync('openssl', ['req', '-new', '-sha384', ...key, '-subj', subject, '-out', file], { stdio: 'ignore' });
  return file;
}

type Loose = { -readonly [Key in keyof CeremonyRecord]: CeremonyRecord[Key] } & { body: Record<string, unknown> };

/** Records after a change, chained anew: what somebody could make who rewrites a whole transcript. */
export function rechained(
  records: readonly CeremonyRecord[],
  change: (records: Loose[]) => Loose[] | undefined,
): Buffer {
  const copy = structuredClone(records) as unknown as Loose[];
  const changed = change(copy) ?? copy;
  let previous = firstPrevious;
  const lines = changed.map((record, index) => {
    const line = canonicalJson({ ...record, index, previous });
    previous = sha256Hex(Buffer.from(line));
    return `${line}\n`;
  });
  return Buffer.from(lines.join(''));
}

/** Signatures of witnesses who saw, or were made to sign, exactly these bytes. */
export function signAnew(
  world: CeremonyWorld,
  transcript: Buffer,
  names: readonly string[] = witnessNames,
): SignatureFile[] {
  const lines = transcript.toString('utf8').trimEnd().split('\n');
  const opened = JSON.parse(lines[0]!) as CeremonyRecord;
  if (!isOfType(opened, 'opened/open')) throw new Error('a transcript opens with its first record');
  const statement = statementOf({
    title: opened.body.title,
    mode: opened.body.mode,
    scriptSha256: opened.body.script.sha256,
    head: sha256Hex(Buffer.from(lines.at(-1)!)),
  });
  return names.map((name) => ({ name, text: signWithSshKeygen(world.keyFile(name), statement) }));
}

export function bodyOf(records: Loose[], kind: string, act: string): Record<string, unknown> {
  const found = records.find((record) => record.kind === kind && record.act === act);
  if (found === undefined) throw new Error(`there is no ${kind}/${act}`);
  return found.body;
}
