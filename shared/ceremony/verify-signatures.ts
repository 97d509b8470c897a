import type { Refusal } from './reason.ts';
import type { Roster, Signer } from './roster.ts';
import { ceremonyNamespace, parseSshSignature, SshFormatError, verifySshSignature } from './ssh-signature.ts';

/** A signature file: `name` is that of the file, for messages; who signed is told by the key alone. */
export interface SignatureFile {
  readonly name: string;
  readonly text: string;
}

export interface SignatureFindings {
  /** Names on the roster whose signature is good, each once. */
  readonly signers: readonly string[];
  readonly refusals: readonly Refusal[];
}

/**
 * Judges every signature: none that is not good is passed over, since whoever put it there meant something by it.
 * `present`: fingerprints of the witnesses that the transcript says were there.
 */
export function verifySignatures(
  files: readonly SignatureFile[],
  statement: string,
  roster: Roster,
  present: ReadonlySet<string>,
  quorum: number,
): SignatureFindings {
  const refusals: Refusal[] = [];
  const signers: string[] = [];
  const seen = new Set<string>();
  for (const { name, text } of files) {
    const refuse = (code: Refusal['code'], message: string) => refusals.push({ code, message, signature: name });
    const read = readSignature(text);
    if (typeof read === 'string') {
      refuse('signature-malformed', read);
      continue;
    }
    const { fingerprint } = read.publicKey;
    const signer: Signer | undefined = roster.signers.find(({ key }) => key.fingerprint === fingerprint);
    if (seen.has(fingerprint)) refuse('witness-counted-twice', `${fingerprint} has signed under another name already`);
    else if (signer === undefined) refuse('signer-not-on-roster', `${fingerprint} is nobody's key on the roster`);
    else if (read.namespace !== ceremonyNamespace)
      refuse('namespace-wrong', `signed for '${shown(read.namespace)}', not for ${ceremonyNamespace}`);
    else if (!verifySshSignature(read, Buffer.from(statement, 'utf8')))
      refuse('signature-invalid', `the signature of ${signer.name} is not one of this transcript`);
    else if (!present.has(fingerprint)) refuse('witness-not-present', `${signer.name} was not at the ceremony`);
    else signers.push(signer.name);
    seen.add(fingerprint);
  }
  if (signers.length < quorum) {
    refusals.push({ code: 'quorum-not-met', message: `${signers.length} of ${quorum} witnesses have signed` });
  }
  return { signers, refusals };
}

function readSignature(text: string): ReturnType<typeof parseSshSignature> | string {
  try {
    return parseSshSignature(text);
  } catch (error) {
    if (error instanceof SshFormatError) return error.message;
    throw error;
  }
}

function shown(text: string): string {
  return text.slice(0, 60).replace(/[^\x20-\x7e]/g, '?');
}
