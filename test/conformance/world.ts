/** What the cases work with: calls whose every answer is held against the model, and CAs that several of them share. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type DecodedCertificate, decodeCertificate, newCsr } from '../support/acm-pca-endpoint.ts';
import { model, outputFaults } from './model.ts';
import { Nonconformity, require } from './suite.ts';
import { errorCodeOf, openWire, type RawAnswer, type RawRequest, type Target } from './wire.ts';

export type Output = Readonly<Record<string, unknown>>;
export type CallAnswer =
  | { readonly ok: true; readonly output: Output }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly status: number };

/** Members of IssueCertificate besides the CA; a fresh CSR, SHA256WITHECDSA and 30 days where not said. */
export type Issue = Readonly<Record<string, unknown>> & { readonly template?: string };

export interface Issued {
  readonly arn: string;
  readonly pem: string;
  readonly chain: string | undefined;
  readonly certificate: DecodedCertificate;
}

/** Errors that every operation may answer without the model listing them (API reference, "Common Errors"). */
const commonErrors: ReadonlySet<string> = new Set([
  'AccessDeniedException',
  'ExpiredTokenException',
  'IncompleteSignature',
  'InternalFailure',
  'InvalidSignatureException',
  'MissingAuthenticationTokenException',
  'OptInRequired',
  'RequestEntityTooLargeException',
  'RequestExpired',
  'SerializationException',
  'ServiceUnavailable',
  'ThrottlingException',
  'UnrecognizedClientException',
  'ValidationException',
]);

/** Answers so far that the model does not have. */
export interface Findings {
  readonly outputs: readonly string[];
  readonly errors: readonly string[];
}

export interface World {
  readonly target: Target;
  readonly account: string;
  /** The target is the local endpoint and lets itself be told to misbehave. */
  readonly hasControl: boolean;
  readonly findings: Findings;
  raw(request: RawRequest): Promise<RawAnswer>;
  call(operation: string, input: object): Promise<CallAnswer>;
  /** The output; Nonconformity for an error. */
  must(operation: string, input: object): Promise<Output>;
  /** Nonconformity unless the call is refused with one of the codes. Answers the message. */
  refused(operation: string, input: object, ...codes: readonly string[]): Promise<string>;
  /** ARN of a well-formed CA that is not there. */
  absentAuthority(): string;
  createAuthority(input?: Readonly<Record<string, unknown>>): Promise<string>;
  status(arn: string): Promise<string>;
  /** Waits until the CA is no longer CREATING. */
  settled(arn: string): Promise<string>;
  issue(authority: string, more?: Issue): Promise<string>;
  get(authority: string, certificate: string): Promise<Omit<Issued, 'arn'>>;
  issueAndGet(authority: string, more?: Issue): Promise<Issued>;
  /** Gives the CA its certificate: from itself, or from a parent by the template. */
  activate(arn: string, by?: { readonly parent: string; readonly template: string }): Promise<void>;
  /** A root that is ACTIVE; the same one for every case. */
  root(): Promise<string>;
  /** A subordinate of that root, path length 0. */
  subordinate(): Promise<string>;
  control(change: object): Promise<void>;
  /** Disables and deletes what was created; answers the ARNs of what could not be. */
  dispose(): Promise<readonly string[]>;
}

const pollMs = 25;
const pollsMax = 400;
const throttledAttemptsMax = 8;
const throttledWaitMs = 400;
const restorationDaysMin = 7;

/** Template ARN by name. */
export function template(name: string): string {
  return `arn:aws:acm-pca:::template/${name}/V1`;
}

/** A blob on the wire. */
export function blob(bytes: Uint8Array | string): string {
  return Buffer.from(bytes).toString('base64');
}

/** CreateCertificateAuthority's input: a P-256 root; a subordinate has a subject of its own. */
export function newAuthority(more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    CertificateAuthorityType: 'ROOT',
    CertificateAuthorityConfiguration: {
      KeyAlgorithm: 'EC_prime256v1',
      SigningAlgorithm: 'SHA256WITHECDSA',
      Subject: {
        CommonName: more.CertificateAuthorityType === 'SUBORDINATE' ? 'Conformance Subordinate' : 'Conformance',
        Organization: 'Example Fleet',
      },
    },
    ...more,
  };
}

/** IssueCertificate's input. */
export function newIssue(authority: string, { template: name, ...more }: Issue = {}): Record<string, unknown> {
  return {
    CertificateAuthorityArn: authority,
    Csr: blob(newCsr()),
    SigningAlgorithm: 'SHA256WITHECDSA',
    Validity: { Type: 'DAYS', Value: 30 },
    ...(name === undefined ? {} : { TemplateArn: template(name) }),
    ...more,
  };
}

/** Calls, and the findings about their answers. */
function openCalls(target: Target) {
  const wire = openWire(target);
  const findings = { outputs: [] as string[], errors: [] as string[] };
  const note = (list: string[], finding: string): void => {
    if (!list.includes(finding)) list.push(finding);
  };

  /** An account's quotas are shared with whoever else is there: a call that AWS throttles is made again. */
  async function ask(request: RawRequest): Promise<RawAnswer> {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await wire.raw(request);
      const isThrottled = target.url === undefined && errorCodeOf(answer) === 'ThrottlingException';
      if (!isThrottled || attempt === throttledAttemptsMax) return answer;
      await sleep(throttledWaitMs * attempt);
    }
  }

  async function call(operation: string, input: object): Promise<CallAnswer> {
    const known = model.operations[operation];
    const answer = await ask({ target: `${model.targetPrefix}.${operation}`, body: JSON.stringify(input) });
    if (answer.status === 200) {
      if (known?.output !== undefined) {
        for (const fault of outputFaults(known.output, answer.json, operation)) note(findings.outputs, fault);
      }
      return { ok: true, output: answer.json };
    }
    const code = errorCodeOf(answer);
    if (known !== undefined && !known.errors.includes(code) && !commonErrors.has(code)) {
      note(findings.errors, `${operation} answered ${code === '' ? `HTTP ${answer.status} without a code` : code}`);
    }
    return {
      ok: false,
      code,
      message: String(answer.json.message ?? answer.json.Message ?? ''),
      status: answer.status,
    };
  }

  async function must(operation: string, input: object): Promise<Output> {
    const answer = await call(operation, input);
    if (answer.ok) return answer.output;
    throw new Nonconformity(`${operation} answered ${answer.code || `HTTP ${answer.status}`}: ${answer.message}`);
  }

  async function refused(operation: string, input: object, ...codes: readonly string[]): Promise<string> {
    const answer = await call(operation, input);
    const seen = answer.ok ? 'success' : answer.code || `HTTP ${answer.status} without a code`;
    if (answer.ok || !codes.includes(seen)) {
      throw new Nonconformity(`${operation} answered ${seen}, not ${codes.join(' or ')}`);
    }
    return answer.message;
  }

  return { wire, findings, call, must, refused };
}

function shared(make: () => Promise<string>): () => Promise<string> {
  let made: Promise<string> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

type Calls = ReturnType<typeof openCalls>;

function openAuthorities({ call, must }: Calls) {
  const created: string[] = [];

  async function createAuthority(input: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const { CertificateAuthorityArn: arn } = await must('CreateCertificateAuthority', newAuthority(input));
    require(typeof arn === 'string', 'CreateCertificateAuthority answered no ARN');
    if (!created.includes(arn)) created.push(arn);
    return arn;
  }

  async function status(arn: string): Promise<string> {
    const { CertificateAuthority: ca } = await must('DescribeCertificateAuthority', { CertificateAuthorityArn: arn });
    return String((ca as { readonly Status?: unknown } | undefined)?.Status);
  }

  async function settled(arn: string): Promise<string> {
    for (let polls = 0; polls < pollsMax; polls += 1) {
      const now = await status(arn);
      if (now !== 'CREATING') return now;
      await sleep(pollMs);
    }
    throw new Nonconformity('the CA stays CREATING');
  }

  async function dispose(): Promise<readonly string[]> {
    const left: string[] = [];
    for (const arn of created) {
      await call('UpdateCertificateAuthority', { CertificateAuthorityArn: arn, Status: 'DISABLED' });
      const deletion = { CertificateAuthorityArn: arn, PermanentDeletionTimeInDays: restorationDaysMin };
      const answer = await call('DeleteCertificateAuthority', deletion);
      const isGone = answer.ok || (await status(arn).catch(() => 'gone')).match(/^(DELETED|gone)$/) !== null;
      if (!isGone) left.push(arn);
    }
    return left;
  }

  return { createAuthority, status, settled, dispose };
}

function openIssuance({ call, must }: Calls) {
  async function issue(authority: string, more: Issue = {}): Promise<string> {
    const { CertificateArn: arn } = await must('IssueCertificate', newIssue(authority, more));
    require(typeof arn === 'string', 'IssueCertificate answered no ARN');
    return arn;
  }

  async function get(authority: string, certificate: string): Promise<Omit<Issued, 'arn'>> {
    for (let polls = 0; polls < pollsMax; polls += 1) {
      const input = { CertificateAuthorityArn: authority, CertificateArn: certificate };
      const answer = await call('GetCertificate', input);
      if (answer.ok) {
        const { Certificate: pem, CertificateChain: chain } = answer.output;
        require(typeof pem === 'string', 'GetCertificate answered no certificate');
        return { pem, chain: typeof chain === 'string' ? chain : undefined, certificate: decodeCertificate(pem) };
      }
      if (answer.code !== 'RequestInProgressException')
        throw new Nonconformity(`GetCertificate answered ${answer.code}`);
      await sleep(pollMs);
    }
    throw new Nonconformity('the certificate stays RequestInProgress');
  }

  async function issueAndGet(authority: string, more: Issue = {}): Promise<Issued> {
    const arn = await issue(authority, more);
    return { arn, ...(await get(authority, arn)) };
  }

  async function activate(arn: string, by = { parent: arn, template: 'RootCACertificate' }): Promise<void> {
    const { Csr } = await must('GetCertificateAuthorityCsr', { CertificateAuthorityArn: arn });
    const days = by.parent === arn ? 3650 : 1825;
    const { pem, chain } = await issueAndGet(by.parent, {
      Csr: blob(String(Csr)),
      template: by.template,
      Validity: { Type: 'DAYS', Value: days },
    });
    await must('ImportCertificateAuthorityCertificate', {
      CertificateAuthorityArn: arn,
      Certificate: blob(pem),
      ...(chain === undefined ? {} : { CertificateChain: blob(chain) }),
    });
  }

  return { issue, get, issueAndGet, activate };
}

async function controlOf(url: string | undefined): Promise<boolean> {
  if (url === undefined) return false;
  const response = await fetch(new URL('/_control', url)).catch(() => undefined);
  const text = await response?.text();
  return response?.status === 200 && text?.includes('"emulator":true') === true;
}

/** Opens the target. Nothing is created before a case asks for it. */
export async function openWorld(target: Target, account: string): Promise<World> {
  const calls = openCalls(target);
  const authorities = openAuthorities(calls);
  const issuance = openIssuance(calls);

  const root = shared(async () => {
    const arn = await authorities.createAuthority();
    await authorities.settled(arn);
    await issuance.activate(arn);
    return arn;
  });
  const subordinate = shared(async () => {
    const parent = await root();
    const arn = await authorities.createAuthority({ CertificateAuthorityType: 'SUBORDINATE' });
    await authorities.settled(arn);
    await issuance.activate(arn, { parent, template: 'SubordinateCACertificate_PathLen0' });
    return arn;
  });

  async function control(change: object): Promise<void> {
    const headers = { 'content-type': 'application/json' };
    const init = { method: 'POST', headers, body: JSON.stringify(change) };
    const response = await fetch(new URL('/_control', target.url), init);
    if (response.status !== 200) throw new Error(`/_control answered ${response.status}`);
  }

  return {
    target,
    account,
    hasControl: await controlOf(target.url),
    findings: calls.findings,
    raw: calls.wire.raw,
    call: calls.call,
    must: calls.must,
    refused: calls.refused,
    absentAuthority: () =>
      `arn:aws:acm-pca:${target.region}:${account}:certificate-authority/00000000-0000-4000-8000-000000000000`,
    ...authorities,
    ...issuance,
    root,
    subordinate,
    control,
    async dispose() {
      const left = await authorities.dispose();
      calls.wire.close();
      return left;
    },
  };
}
