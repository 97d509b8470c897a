/** How the documented cases are written: what is documented, where, and what it costs to ask AWS itself. */
import type { CaseCost, ConformanceCase } from '../suite.ts';
import type { World } from '../world.ts';

const guide = 'https://docs.aws.amazon.com/privateca/latest/userguide/';
const reference = 'https://docs.aws.amazon.com/privateca/latest/APIReference/';

/** Pages that the cases cite. */
export const pages = {
  protocol: 'https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html',
  commonErrors: `${reference}CommonErrors.html`,
  createAuthority: `${reference}API_CreateCertificateAuthority.html`,
  describeAuthority: `${reference}API_DescribeCertificateAuthority.html`,
  updateAuthority: `${reference}API_UpdateCertificateAuthority.html`,
  deleteAuthority: `${reference}API_DeleteCertificateAuthority.html`,
  csr: `${reference}API_GetCertificateAuthorityCsr.html`,
  importCertificate: `${reference}API_ImportCertificateAuthorityCertificate.html`,
  issue: `${reference}API_IssueCertificate.html`,
  get: `${reference}API_GetCertificate.html`,
  revoke: `${reference}API_RevokeCertificate.html`,
  auditReport: `${guide}PcaAuditReport.html`,
  list: `${reference}API_ListCertificateAuthorities.html`,
  tags: `${reference}API_TagCertificateAuthority.html`,
  permissions: `${reference}API_CreatePermission.html`,
  policy: `${reference}API_PutPolicy.html`,
  validity: `${reference}API_Validity.html`,
  templates: `${guide}UsingTemplates.html`,
  templateOrder: `${guide}template-order-of-operations.html`,
  status: `${guide}PcaUpdateStatus.html`,
  quotas: 'https://docs.aws.amazon.com/general/latest/gr/pca.html',
} as const;

/** A case of the documentation. */
export function documented(
  name: string,
  page: keyof typeof pages,
  cost: CaseCost,
  run: (world: World) => Promise<void>,
): ConformanceCase {
  return { name, source: 'documentation', reference: pages[page], cost, run };
}

/** A case that only the local endpoint, with its switches, can be asked. */
export function onEndpoint(one: ConformanceCase): ConformanceCase {
  return { ...one, needs: 'control' };
}
