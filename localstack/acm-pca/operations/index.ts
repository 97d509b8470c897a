/** Every operation that this endpoint has, with the shape of its input. An operation is added here and in model/inputs.ts. */
import type { Endpoint } from '../endpoint.ts';
import { inputs, type OperationName } from '../model/inputs.ts';
import { readInput } from '../model/shape.ts';
import { createCertificateAuthorityAuditReport, describeCertificateAuthorityAuditReport } from './audit-report.ts';
import {
  getCertificateAuthorityCertificate,
  getCertificateAuthorityCsr,
  importCertificateAuthorityCertificate,
} from './authority-certificate.ts';
import { createCertificateAuthority } from './create-authority.ts';
import { describeCertificateAuthority, listCertificateAuthorities } from './describe-authority.ts';
import { getCertificate, issueCertificate } from './issue-certificate.ts';
import {
  createPermission,
  deletePermission,
  deletePolicy,
  getPolicy,
  listPermissions,
  putPolicy,
} from './permissions.ts';
import { revokeCertificate } from './revoke-certificate.ts';
import { listTags, tagCertificateAuthority, untagCertificateAuthority } from './tags.ts';
import {
  deleteCertificateAuthority,
  restoreCertificateAuthority,
  updateCertificateAuthority,
} from './update-authority.ts';

/** Takes an input that its shape has checked, so an operation relies on required members and on their types. */
type Operation = (endpoint: Endpoint, input: never) => object | Promise<object>;

const operations: Readonly<Record<OperationName, Operation>> = {
  CreateCertificateAuthority: createCertificateAuthority,
  GetCertificateAuthorityCsr: getCertificateAuthorityCsr,
  IssueCertificate: issueCertificate,
  GetCertificate: getCertificate,
  ImportCertificateAuthorityCertificate: importCertificateAuthorityCertificate,
  GetCertificateAuthorityCertificate: getCertificateAuthorityCertificate,
  DescribeCertificateAuthority: describeCertificateAuthority,
  ListCertificateAuthorities: listCertificateAuthorities,
  UpdateCertificateAuthority: updateCertificateAuthority,
  DeleteCertificateAuthority: deleteCertificateAuthority,
  RestoreCertificateAuthority: restoreCertificateAuthority,
  TagCertificateAuthority: tagCertificateAuthority,
  UntagCertificateAuthority: untagCertificateAuthority,
  ListTags: listTags,
  CreateCertificateAuthorityAuditReport: createCertificateAuthorityAuditReport,
  DescribeCertificateAuthorityAuditReport: describeCertificateAuthorityAuditReport,
  RevokeCertificate: revokeCertificate,
  CreatePermission: createPermission,
  DeletePermission: deletePermission,
  ListPermissions: listPermissions,
  PutPolicy: putPolicy,
  GetPolicy: getPolicy,
  DeletePolicy: deletePolicy,
};

/** Whether there is an operation of this name. */
export function isOperation(name: string): name is OperationName {
  return Object.hasOwn(operations, name);
}

/** Checks the parsed JSON body against the operation's shape and runs it. Throws AwsError for every refusal. */
export async function runOperation(endpoint: Endpoint, name: OperationName, json: unknown): Promise<object> {
  const input = readInput(inputs[name], json);
  return operations[name](endpoint, input as never);
}
