import { setTimeout as setTimer } from 'node:timers/promises';
import type { ObjectReader } from '../../shared/adapters/acm-pca/audit-reports.ts';
import type { SignedReaderOptions } from '../../shared/adapters/s3/signed-reader.ts';
import type { processStack } from '../../shared/adapters/stack/stack.ts';
import type { CompareReportPorts } from '../../shared/issuance/compare-report.ts';
import type { AuditReports } from '../../shared/issuance/ports.ts';
import type { SettleOrphansPorts } from '../../shared/issuance/settle-orphans.ts';
import { createBackends } from '../signer/backends.ts';

type Stack = ReturnType<typeof processStack>;

/** What settles orphans and compares CAs with the ledger. Of the signer's backends it uses `collect` alone. */
export type ReportingPorts = SettleOrphansPorts & CompareReportPorts;

/** The ports of a process, made at their first use: most runs find no orphan and nothing due. */
export function createReportingPorts(stack: Stack): () => Promise<ReportingPorts> {
  let made: Promise<ReportingPorts> | undefined;
  return () => {
    made ??= make(stack).catch((cause: unknown) => {
      // Not remembered: the next run tries again.
      made = undefined;
      throw cause;
    });
    return made;
  };
}

async function make(stack: Stack): Promise<ReportingPorts> {
  return {
    hierarchy: stack.hierarchy,
    ledger: stack.ledger,
    authorities: stack.authorities,
    audits: stack.audits,
    clock: stack.clock,
    signingQueue: stack.signingQueue,
    sleep: async (waitMs) => {
      await setTimer(waitMs);
    },
    auditReports: await createAuditReports(stack),
    backendOf: await createBackends(stack),
    ...reportTo(stack),
  };
}

/** What a person has to look at raises an alarm; what the pipeline settled by itself is a line in the log. */
export function reportTo({
  logger,
  raise,
}: Pick<Stack, 'raise'> & { readonly logger: Pick<Stack['logger'], 'warn'> }): Pick<
  ReportingPorts,
  'orphanReport' | 'comparisonReport'
> {
  const failed = (caId: string, cause: unknown) => raise('audit-report-failed', { caId, error: cause as Error });
  return {
    orphanReport: {
      adopted: (issuanceId, arn) => logger.warn('orphan adopted', { issuanceId, arn }),
      absent: (issuanceId) => logger.warn('orphan absent at the CA', { issuanceId }),
      duplicate: (issuanceId, arn, serial) => raise('duplicate-certificate', { issuanceId, arn, serial }),
      mismatch: (issuanceId, arn, faults) => raise('orphan-unsettled', { issuanceId, arn, faults }),
      blocked: (issuanceId, reason) => raise('orphan-unsettled', { issuanceId, reason }),
      failed,
    },
    comparisonReport: {
      unknownCertificate: (caId, certificate) => raise('unknown-certificate', { caId, ...certificate }),
      unknownIssuance: (caId, issuance) => raise('unknown-issuance', { caId, ...issuance }),
      failed,
    },
  };
}

/** Reports of ACM PCA, read from S3, or those of the local endpoint, whose objects it serves itself. */
async function createAuditReports({ environment, hierarchy }: Stack): Promise<AuditReports> {
  const { isAwsAcmPcaEndpoint } = await import('../../shared/custody/stage.ts');
  const { acmPca } = environment;
  if (acmPca === undefined) return noReports;
  const { endpoint, region } = acmPca;
  const isAws = endpoint === undefined || isAwsAcmPcaEndpoint(endpoint);
  const { createAcmPcaClient } = await import('../../shared/adapters/acm-pca/client.ts');
  const { createAcmPcaAuditReports } = await import('../../shared/adapters/acm-pca/audit-reports.ts');
  const client = createAcmPcaClient({
    stage: hierarchy.stage,
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    // An emulator is shown credentials that open nothing.
    ...(isAws ? {} : { credentials: { accessKeyId: 'emulator', secretAccessKey: 'emulator' } }),
  });
  return createAcmPcaAuditReports({
    client,
    bucket: acmPca.auditBucket,
    readObject: isAws ? await s3Reader(region, client.config.credentials) : await localReader(endpoint),
  });
}

/** With the credentials that the CA is asked with: the bucket is of the same account. */
async function s3Reader(region: string, credentials: SignedReaderOptions['credentials']): Promise<ObjectReader> {
  const { createSignedReader } = await import('../../shared/adapters/s3/signed-reader.ts');
  return createSignedReader({ region, credentials });
}

async function localReader(endpoint: string): Promise<ObjectReader> {
  const { createLocalObjectReader } = await import('../../shared/adapters/acm-pca/local-objects.ts');
  return createLocalObjectReader(endpoint);
}

/** Where no CA is at ACM PCA there are no reports. */
const noReports: AuditReports = {
  begin: async () => ({ kind: 'unavailable', code: 'no-acm-pca', message: 'this deployment has no CA at ACM PCA' }),
  describe: async () => ({ kind: 'failed' }),
  entries: () => {
    throw new Error('this deployment has no CA at ACM PCA');
  },
};
