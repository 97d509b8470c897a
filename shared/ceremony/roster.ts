/**
 * The roster: whose signatures count, and for which script. It comes to the verifier by another way than the transcript.
 * It is an allowed_signers file (ssh-keygen(1), ALLOWED SIGNERS), so that `ssh-keygen -Y verify -f ROSTER` reads it too;
 * two lines that are comments to ssh-keygen say what it is and which script it is for.
 */
import type { CeremonyScript } from './script.ts';
import { ceremonyNamespace, parseSshPublicKey, SshFormatError, type SshPublicKey } from './ssh-signature.ts';

export interface Signer {
  readonly name: string;
  readonly key: SshPublicKey;
}

export interface Roster {
  readonly scriptSha256: string;
  readonly signers: readonly Signer[];
}

export type RosterReading =
  | { readonly ok: true; readonly roster: Roster }
  | { readonly ok: false; readonly faults: readonly { readonly line: number; readonly message: string }[] };

const header = '# sealwright-ceremony-roster 1';
const rosterCharactersMax = 64 * 1024;
const signersMax = 32;

/** The roster of a script, to be handed to verifiers apart from the transcript. */
export function renderRoster(script: CeremonyScript): string {
  const lines = script.witnesses.keys.map(
    ({ name, key }) =>
      `${name} namespaces="${ceremonyNamespace}" ssh-ed25519 ${Buffer.from(key.blob).toString('base64')}`,
  );
  return [header, `# script sha256:${script.sha256}`, `# ${script.title}`, ...lines, ''].join('\n');
}

/** Text → roster, or every fault with its line. */
export function parseRoster(text: string): RosterReading {
  if (text.length > rosterCharactersMax) return { ok: false, faults: [{ line: 1, message: 'the roster is too long' }] };
  const faults: { line: number; message: string }[] = [];
  const scripts: string[] = [];
  const signers: Signer[] = [];
  const lines = text.split('\n');
  if (lines[0]?.trimEnd() !== header) faults.push({ line: 1, message: `the first line is not '${header}'` });
  for (const [index, written] of lines.entries()) {
    const line = written.trim();
    const fault = (message: string) => faults.push({ line: index + 1, message });
    const script = /^# script sha256:(.*)$/.exec(line)?.[1];
    if (script !== undefined) {
      if (/^[0-9a-f]{64}$/.test(script)) scripts.push(script);
      else fault('the digest of the script is not 64 lower-case hex digits');
    } else if (line !== '' && !line.startsWith('#')) {
      const signer = readSigner(line);
      if (typeof signer === 'string') fault(signer);
      else if (signers.some(({ name }) => name === signer.name)) fault(`${signer.name} stands here twice`);
      else if (signers.some(({ key }) => key.fingerprint === signer.key.fingerprint))
        fault(`the key of ${signer.name} is another name's already`);
      else signers.push(signer);
    }
  }
  if (scripts.length !== 1)
    faults.push({ line: 1, message: "one line '# script sha256:…' says which script it is for" });
  if (signers.length === 0) faults.push({ line: 1, message: 'nobody is on it' });
  if (signers.length > signersMax) faults.push({ line: 1, message: `more than ${signersMax} are on it` });
  if (faults.length > 0) return { ok: false, faults: faults.slice(0, 50) };
  return { ok: true, roster: { scriptSha256: scripts[0]!, signers } };
}

function readSigner(line: string): Signer | string {
  const match = /^(\S+)\s+namespaces="([^"]*)"\s+(\S+\s+\S+)(?:\s.*)?$/.exec(line);
  if (match === null) return `not a signer: NAME namespaces="${ceremonyNamespace}" ssh-ed25519 AAAA…`;
  const [, name = '', namespaces, key = ''] = match;
  if (!/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/.test(name)) return 'the name of a signer is not one';
  if (namespaces !== ceremonyNamespace) return `the namespace of ${name} is not ${ceremonyNamespace}`;
  try {
    return { name, key: parseSshPublicKey(key.replace(/\s+/, ' ')) };
  } catch (error) {
    if (error instanceof SshFormatError) return `the key of ${name}: ${error.message}`;
    throw error;
  }
}
