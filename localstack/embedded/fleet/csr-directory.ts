/**
 * Sends the certification requests of a folder, byte for byte, and compares what came of each with what a manifest
 * expects.
 */
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Enroller, type EnrolmentEnd, enrol, requestContentType } from '../../../cli/enrolment.ts';
import { isObject } from '../../../cli/http-client.ts';
import { createChainVerifier, type ExpectedLeaf, sanKey } from './chain-verification.ts';
import { type ClientOptions, rowOf, withEnroller } from './fleet.ts';
import { type Expectation, type FleetResult, type ResultRow, summarize } from './fleet-result.ts';
import { mapConcurrently } from './pool.ts';
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from './x509.ts';

export interface CsrDirectoryOptions extends ClientOptions {
  readonly dir: string;
  /** For files that the manifest gives no profile, `device` by default. */
  readonly profileDefault?: string;
}

/** The folder or its manifest is not usable; `faults` names everything that is wrong with it. */
export class CsrDirectoryError extends Error {
  readonly code = 'csr-directory';
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(faults.join('; '));
    this.name = 'CsrDirectoryError';
    this.faults = faults;
  }
}

interface CsrFile {
  readonly file: string;
  readonly profile: string;
  readonly expect?: Expectation;
  readonly note?: string;
}

const filesMax = 10_000;
/** Far above what the service takes: files over its limit are to be sent, so that it can refuse them. */
const fileBytesMax = 1024 * 1024;
const manifestName = 'manifest.json';
const manifestBytesMax = 4 * 1024 * 1024;
const faultsMax = 20;
const concurrencyDefault = 8;
const requestFile = /\.(csr|pem|der|p10|req)$/i;

/**
 * Enrols every `*.csr`, `*.pem`, `*.der`, `*.p10` and `*.req` of the folder, and what its manifest names besides.
 * Throws `CsrDirectoryError` when the folder or the manifest cannot be used, before anything is sent.
 */
export async function runCsrDirectory(options: CsrDirectoryOptions): Promise<FleetResult> {
  const verify = createChainVerifier(options.trustAnchorsPem);
  const files = await listRequests(options.dir, options.profileDefault ?? 'device');
  const tally = { issued: 0, rejected: 0, failed: 0 };
  const now = options.now ?? Date.now;
  const { ends, elapsedMs } = await withEnroller(options, (enroller) =>
    mapConcurrently(
      files,
      options.concurrency ?? concurrencyDefault,
      async (file) => {
        const body = await readBounded(join(options.dir, file.file), fileBytesMax);
        const end =
          body === undefined
            ? tooLong
            : await enrol(patienceFor(enroller, options, file), file.profile, {
                bytes: body,
                contentType: requestContentType(body),
              });
        tally[end.kind === 'certificate' ? 'issued' : end.kind === 'refused' ? 'rejected' : 'failed'] += 1;
        return { file, end, asked: body === undefined ? {} : askedOf(body) };
      },
      (done) => options.onProgress?.({ phase: 'enrol', done, total: files.length, ...tally }),
    ),
  );
  const rows = ends.map(({ file, end, asked }) => {
    const fault = end.kind === 'certificate' ? verify(end.chainPem, asked, now()) : undefined;
    return judged(rowOf(file.file, file.profile, end, fault), file);
  });
  return summarize('csr-directory', rows, options.profiles, elapsedMs, notesOf(options, files));
}

const tooLong: EnrolmentEnd = {
  kind: 'failed',
  status: 0,
  code: 'file-too-long',
  reasons: [`longer than ${fileBytesMax} bytes: not sent`],
};

/** A profile whose CA is not there answers 503 for as long as one asks: asked once. */
function patienceFor(enroller: Enroller, options: CsrDirectoryOptions, file: CsrFile): Enroller {
  const known = options.profiles.find((profile) => profile.name === file.profile);
  return known === undefined || known.ready
    ? enroller
    : { ...enroller, patience: { ...enroller.patience, triesMax: 1 } };
}

function notesOf(options: CsrDirectoryOptions, files: readonly CsrFile[]): readonly string[] {
  return options.profiles
    .filter((profile) => !profile.ready && files.some((file) => file.profile === profile.name))
    .map(
      (profile) => `profile ${profile.name} is not served: its CA ${profile.caId} (${profile.backend}) is not ready`,
    );
}

function judged(row: ResultRow, file: CsrFile): ResultRow {
  const { expect, note } = file;
  return {
    ...row,
    unexpected: expect !== undefined && !meets(row, expect),
    ...(expect === undefined ? {} : { expected: expect }),
    ...(note === undefined ? {} : { note }),
  };
}

function meets(row: ResultRow, expect: Expectation): boolean {
  if (expect === 'issued') return row.outcome === 'issued';
  // Policy answers 422, a limit in bytes 413; what is no certification request 400.
  const statuses = expect === 'refused' ? [422, 413] : [400];
  return row.outcome === 'rejected' && statuses.includes(row.status);
}

const pemRequest = /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END/;

/** Key and names of a request as a parser that is not ours reads them; nothing where it cannot. */
export function askedOf(body: Uint8Array): ExpectedLeaf {
  try {
    const text = Buffer.from(body).toString('latin1');
    const base64 = pemRequest.exec(text)?.[1] ?? (requestContentType(body) === 'application/pkcs10' ? undefined : text);
    const der = base64 === undefined ? Uint8Array.from(body) : Uint8Array.from(Buffer.from(base64, 'base64'));
    const request = new Pkcs10CertificateRequest(der);
    const san = request.extensions.find((extension) => extension instanceof SubjectAlternativeNameExtension);
    const names = san instanceof SubjectAlternativeNameExtension ? san.names.items.map(sanKey) : undefined;
    return { spkiDer: new Uint8Array(request.publicKey.rawData), ...(names === undefined ? {} : { names }) };
  } catch {
    return {};
  }
}

/** At most `bytesMax` bytes of a regular file; undefined when it is longer. */
async function readBounded(path: string, bytesMax: number): Promise<Buffer | undefined> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    if (size > bytesMax) return undefined;
    const buffer = Buffer.alloc(bytesMax + 1);
    let bytes = 0;
    for (;;) {
      const { bytesRead } = await handle.read(buffer, bytes, buffer.byteLength - bytes);
      if (bytesRead === 0) break;
      bytes += bytesRead;
      if (bytes > bytesMax) return undefined;
    }
    return buffer.subarray(0, bytes);
  } finally {
    await handle.close();
  }
}

async function listRequests(dir: string, profileDefault: string): Promise<readonly CsrFile[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    throw new CsrDirectoryError([`the folder ${dir} cannot be read (${error.code ?? 'unknown'})`]);
  });
  const present = new Set(entries.filter((entry) => entry.isFile()).map((entry) => entry.name));
  const named = present.has(manifestName) ? await readManifest(join(dir, manifestName), present, profileDefault) : [];
  const listed = new Set(named.map((file) => file.file));
  const others = [...present]
    .filter((file) => requestFile.test(file) && !listed.has(file))
    .map((file) => ({ file, profile: profileDefault }));
  const files = [...named, ...others].sort((a, b) => (a.file < b.file ? -1 : 1));
  if (files.length === 0)
    throw new CsrDirectoryError([`the folder ${dir} holds no request (*.csr, *.pem, *.der, *.p10, *.req)`]);
  if (files.length > filesMax) throw new CsrDirectoryError([`the folder ${dir} holds more than ${filesMax} requests`]);
  return files;
}

async function readManifest(
  path: string,
  present: ReadonlySet<string>,
  profileDefault: string,
): Promise<readonly CsrFile[]> {
  const bytes = await readBounded(path, manifestBytesMax);
  let value: unknown;
  try {
    value = JSON.parse((bytes ?? '').toString());
  } catch {
    throw new CsrDirectoryError([`${manifestName} is no JSON, or longer than ${manifestBytesMax} bytes`]);
  }
  if (!Array.isArray(value)) throw new CsrDirectoryError([`${manifestName} is not a list`]);
  const faults: string[] = [];
  const files: CsrFile[] = [];
  const seen = new Set<string>();
  for (const [index, entry] of value.entries()) {
    const file = manifestEntry(entry, index, present, profileDefault);
    if (typeof file === 'string') faults.push(file);
    else if (seen.has(file.file)) faults.push(`entry ${index + 1}: the file ${file.file} is named twice`);
    else {
      seen.add(file.file);
      files.push(file);
    }
    if (faults.length >= faultsMax) break;
  }
  if (faults.length > 0) throw new CsrDirectoryError(faults.map((fault) => `${manifestName}, ${fault}`));
  return files;
}

/** An entry, or what is wrong with it. A file must stand in the folder itself: a manifest cannot reach elsewhere. */
function manifestEntry(
  entry: unknown,
  index: number,
  present: ReadonlySet<string>,
  profileDefault: string,
): CsrFile | string {
  const at = `entry ${index + 1}`;
  if (!isObject(entry) || typeof entry.file !== 'string') return `${at}: no file is named`;
  const { file, profile = profileDefault, expect, note } = entry;
  if (!present.has(file as string)) return `${at}: the file ${file} is not in the folder`;
  if (typeof profile !== 'string' || profile === '') return `${at}: profile is not a name`;
  if (expect !== undefined && expect !== 'issued' && expect !== 'refused' && expect !== 'malformed') {
    return `${at}: expect is none of issued, refused, malformed`;
  }
  return {
    file: file as string,
    profile,
    ...(expect === undefined ? {} : { expect }),
    ...(typeof note === 'string' ? { note } : {}),
  };
}
