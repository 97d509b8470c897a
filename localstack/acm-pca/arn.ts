/** ARNs of ACM PCA: certificate authorities, the certificates below them, and templates. */
import { refuse } from './errors.ts';

/** Account, partition and Region that this endpoint answers for. */
export interface ArnScope {
  readonly account: string;
  readonly region: string;
}

const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const authorityArn = new RegExp(`^arn:aws:acm-pca:([a-z0-9-]+):([0-9]{12}):certificate-authority/(${uuid})$`);
const certificateArn = new RegExp(
  `^(arn:aws:acm-pca:[a-z0-9-]+:[0-9]{12}:certificate-authority/${uuid})/certificate/([1-9][0-9]{0,48})$`,
);
const templateArn = /^arn:aws:acm-pca:::template\/([A-Za-z0-9_]+)\/V1$/;

/** ARN of a CA. */
export function formatAuthorityArn(scope: ArnScope, authorityId: string): string {
  return `arn:aws:acm-pca:${scope.region}:${scope.account}:certificate-authority/${authorityId}`;
}

/** ARN of a certificate: it ends in the serial number in decimal, while RevokeCertificate takes hex. */
export function formatCertificateArn(authority: string, serial: bigint): string {
  return `${authority}/certificate/${serial}`;
}

/**
 * Id of a CA. InvalidArnException when it is not a CA's ARN, ResourceNotFoundException when it is one of another account or
 * Region, as a CA that the caller cannot see is not there.
 */
export function parseAuthorityArn(scope: ArnScope, arn: string): string {
  const parts = authorityArn.exec(arn);
  if (parts === null) refuse('InvalidArnException', 'The ARN is not the ARN of a certificate authority.');
  const [, region, account, id] = parts;
  if (region !== scope.region || account !== scope.account || id === undefined) {
    refuse('ResourceNotFoundException', `Could not find Certificate Authority ${arn}.`);
  }
  return id;
}

/** Serial number of a certificate of this CA. InvalidArnException when the ARN has another form or names another CA. */
export function parseCertificateArn(authority: string, arn: string): bigint {
  const parts = certificateArn.exec(arn);
  if (parts?.[2] === undefined) refuse('InvalidArnException', 'The ARN is not the ARN of a certificate.');
  if (parts[1] !== authority) {
    refuse('InvalidArnException', 'The certificate ARN does not belong to the certificate authority.');
  }
  return BigInt(parts[2]);
}

/** Name of a template, without its version; undefined when the ARN is not a template's. */
export function parseTemplateArn(arn: string): string | undefined {
  return templateArn.exec(arn)?.[1];
}

/** ARN of a template. */
export function formatTemplateArn(name: string): string {
  return `arn:aws:acm-pca:::template/${name}/V1`;
}
