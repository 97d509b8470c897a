/**
 * ACM PCA in virtual time, behind the SDK client that the product's adapter is given: IssueCertificate answers an ARN and
 * issues later, a token is honoured for five minutes, and what goes wrong has the service's names.
 */
import {
  type ACMPCAClient,
  CreateCertificateAuthorityAuditReportCommand,
  DescribeCertificateAuthorityAuditReportCommand,
  DescribeCertificateAuthorityCommand,
  GetCertificateAuthorityCertificateCommand,
  GetCertificateCommand,
  IssueCertificateCommand,
  type IssueCertificateCommandInput,
} from '@aws-sdk/client-acm-pca';
import { composeContent, signCertificate } from '../../../localstack/acm-pca/issuance.ts';
import { resolveTemplate } from '../../../localstack/acm-pca/templates.ts';
import { parseCertificate } from '../../../shared/pki/certificate.ts';
import { keyIdentifierOf } from '../../../shared/pki/certificate-builder.ts';
import { parseCertificationRequest } from '../../../shared/pki/certification-request.ts';
import { sha256Hex } from '../../../shared/pki/hash.ts';
import { formatDistinguishedName } from '../../../shared/pki/names.ts';
import { decodePemBlocks, encodePem } from '../../../shared/pki/pem.ts';
import type { CaSigningAlgorithm } from '../../../shared/pki/signature-algorithm.ts';
import { createAuditReports, serviceError } from './acm-pca-reports.ts';
import type { Calls } from './calls.ts';
import type { Role } from './faults.ts';
import type { Journal, PcaCertificate } from './journal.ts';
import type { Kernel } from './kernel.ts';
import type { CaKey } from './material.ts';
import type { Process } from './processes.ts';
import type { Random } from './random.ts';

/** How long the service honours a token, counted from the first call with it. */
const tokenMs = 300_000;
/** The adapter's own limit for one call. */
const callMsMax = 4_000;

export interface AcmPcaBehaviour {
  readonly issueDelayMs: readonly [min: number, max: number];
  /** IssueCertificate answers ThrottlingException this many times before it works. */
  readonly brownoutCalls: number;
  /** And so does GetCertificate. */
  readonly brownoutPolls: number;
  /** Of the issuances begun, the ones that fail later; and those that come out with another notAfter than asked for. */
  readonly failing: ReadonlySet<number>;
  readonly misissuing: ReadonlySet<number>;
}

export interface SimulatedAcmPca {
  /** The SDK's client as one process holds it: each `send` is a call that faults may hit. */
  clientFor(process: Process, role: Role): ACMPCAClient;
  /** S3 as one process reads it: the reports of the CA. */
  objectsFor(process: Process): (bucket: string, key: string) => AsyncIterable<Uint8Array>;
}

export interface AcmPcaParts {
  readonly kernel: Kernel;
  readonly random: Random;
  readonly calls: Calls;
  readonly key: CaKey;
  readonly journal: Journal;
  readonly behaviour: AcmPcaBehaviour;
}

export function createAcmPca(parts: AcmPcaParts): SimulatedAcmPca {
  const { random, calls } = parts;
  const service = createService(parts);

  function errorOf(tookEffect: boolean): Error {
    if (tookEffect) return random.chance(0.5) ? serviceError('TimeoutError') : serviceError('InternalFailure', 500);
    return random.pick([
      () => serviceError('ThrottlingException', 400),
      () => serviceError('ThrottlingException', 400),
      () => serviceError('InternalFailure', 500),
      () => serviceError('ECONNREFUSED'),
      () => serviceError('RequestInProgressException', 400),
    ])();
  }

  return {
    clientFor(process, role) {
      const send = (command: { readonly input: object }) => {
        const { name, answer } = service.answerTo(command);
        return calls.make(process, role, name, async () => answer(), {
          error: errorOf,
          waitMsMax: callMsMax,
        });
      };
      return { send, config: {} } as unknown as ACMPCAClient;
    },
    objectsFor: (process) =>
      async function* read(_bucket, key) {
        yield await calls.make(process, 'reconcile', 'GetObject', () => service.readReport(key));
      },
  };
}

interface Service {
  answerTo(command: { readonly input: object }): { readonly name: string; readonly answer: () => object };
  readReport(key: string): Promise<Uint8Array>;
}

function createService({ kernel, random, key, journal, behaviour }: AcmPcaParts): Service {
  const reports = createAuditReports(kernel, random, key, journal);
  const tokens = new Map<string, { readonly at: number; readonly arn: string }>();
  let throttles = behaviour.brownoutCalls;
  let throttledPolls = behaviour.brownoutPolls;

  function issueOnce(input: IssueCertificateCommandInput): object {
    if (throttles > 0) {
      throttles -= 1;
      throw serviceError('ThrottlingException', 400);
    }
    const token = input.IdempotencyToken;
    const known = token === undefined ? undefined : tokens.get(token);
    if (known !== undefined && kernel.now - known.at < tokenMs) return { CertificateArn: known.arn };
    const certificate = issue(input, journal.certificates.length);
    journal.requireIntent('idempotencyToken', token);
    journal.certificates.push(certificate);
    if (token !== undefined) tokens.set(token, { at: kernel.now, arn: certificate.arn });
    return { CertificateArn: certificate.arn };
  }

  function issue(input: IssueCertificateCommandInput, index: number): PcaCertificate {
    const csrDer = decodePemBlocks(Buffer.from(input.Csr!).toString('latin1'), 'CERTIFICATE REQUEST', 1)[0]!;
    const request = parseCertificationRequest(csrDer);
    const { tbs } = key.certificate;
    const serialNumber = random.bytes(16);
    serialNumber[0] = (serialNumber[0]! & 0x7f) | 0x40;
    const notBefore = input.ValidityNotBefore!.Value! * 1000;
    const asked = input.Validity!.Value! * 1000;
    const notAfter = behaviour.misissuing.has(index) ? asked - 3_600_000 : asked;
    if (notAfter > tbs.notAfter) throw serviceError('ValidationException', 400);
    const content = composeContent({
      template: resolveTemplate(input.TemplateArn),
      request,
      passthrough: input.ApiPassthrough,
      issuerKeyIdentifier: keyIdentifierOf(tbs.publicKey),
      fromConfiguration: [],
    });
    const fields = { ...content, serialNumber, issuer: tbs.subject.der, publicKey: request.publicKey.der };
    const algorithm = input.SigningAlgorithm as CaSigningAlgorithm;
    const der = behaviour.failing.has(index)
      ? undefined
      : signCertificate({ ...fields, notBefore, notAfter }, key.privateKey, algorithm);
    const serial = Buffer.from(serialNumber).toString('hex');
    return {
      at: kernel.now,
      arn: `${input.CertificateAuthorityArn}/certificate/${BigInt(`0x${serial}`)}`,
      serial,
      token: input.IdempotencyToken,
      csrSha256: sha256Hex(csrDer),
      templateArn: input.TemplateArn ?? '',
      notBefore,
      notAfter,
      subject: der === undefined ? '' : formatDistinguishedName(parseCertificate(der).tbs.subject),
      der,
      fingerprint: der === undefined ? undefined : sha256Hex(der),
      readyAt: kernel.now + random.between(...behaviour.issueDelayMs),
    };
  }

  function get(arn: string | undefined): object {
    if (throttledPolls > 0) {
      throttledPolls -= 1;
      throw serviceError('ThrottlingException', 400);
    }
    const found = journal.certificates.find((certificate) => certificate.arn === arn);
    if (found === undefined) throw serviceError('ResourceNotFoundException', 400);
    if (kernel.now < found.readyAt) throw serviceError('RequestInProgressException', 400);
    if (found.der === undefined) throw serviceError('RequestFailedException', 400);
    return { Certificate: encodePem('CERTIFICATE', found.der) };
  }

  const authority = {
    Arn: key.installed.backendRef,
    Status: 'ACTIVE',
    KeyStorageSecurityStandard: 'FIPS_140_2_LEVEL_3_OR_HIGHER',
    CertificateAuthorityConfiguration: { KeyAlgorithm: 'EC_prime256v1' },
  };
  function answerTo(command: { readonly input: object }) {
    if (command instanceof CreateCertificateAuthorityAuditReportCommand)
      return { name: 'CreateCertificateAuthorityAuditReport', answer: reports.begin };
    if (command instanceof DescribeCertificateAuthorityAuditReportCommand)
      return {
        name: 'DescribeCertificateAuthorityAuditReport',
        answer: () => reports.describe(command.input.AuditReportId),
      };
    if (command instanceof IssueCertificateCommand)
      return { name: 'IssueCertificate', answer: () => issueOnce(command.input) };
    if (command instanceof GetCertificateCommand)
      return { name: 'GetCertificate', answer: () => get(command.input.CertificateArn) };
    if (command instanceof DescribeCertificateAuthorityCommand)
      return { name: 'DescribeCertificateAuthority', answer: () => ({ CertificateAuthority: authority }) };
    if (command instanceof GetCertificateAuthorityCertificateCommand) {
      const pem = encodePem('CERTIFICATE', key.installed.certificateDer);
      return { name: 'GetCertificateAuthorityCertificate', answer: () => ({ Certificate: pem }) };
    }
    throw new Error(`the simulated ACM PCA does not know ${command.constructor.name}`);
  }
  return { answerTo, readReport: reports.read };
}
